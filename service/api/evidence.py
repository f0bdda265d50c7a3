"""What the stored evidence of a day comes to, for auditors: to be held against cards, readers and bills."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Final

from apiflask import APIBlueprint, abort
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access.tally import tally
from fare.rules.tariff import TariffBook
from kernel.service_day import day_window
from service.api import evidence_documents as shown
from service.auth import requires
from service.conservation import Conservation, DeviceDay, Late, conserve, late
from service.services import services
from service.staff import Role

READERS: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.ADMINISTRATOR)
blueprint: Final = APIBlueprint("evidence", __name__, tag="Evidence", url_prefix="/v1/evidence")


class LateQuery(BaseModel):
    """How far to look back, and from when on a record is late."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=1, le=400, description="Received in the last so many days")] = 7
    hours: Annotated[int, Field(ge=0, le=9_600, description="More than so many hours after the tap")] = 24


@blueprint.get("/late")
@requires(*READERS)
@blueprint.input(LateQuery, location="query", arg_name="query")
@blueprint.output(shown.LateListBody)
def list_late(query: LateQuery) -> dict[str, Any]:
    """Return what came late, by device and service day, the oldest tap first, with its age and what it changed."""
    running = services()
    now = running.clock.now()
    with running.database.read() as tx:
        found = late(
            tx,
            book=_book(tx),
            now=now,
            since=now - timedelta(days=query.days),
            later_than=timedelta(hours=query.hours),
        )
    return {"late": [late_document(one) for one in found]}


@blueprint.get("/<service_day>/conservation")
@requires(*READERS)
@blueprint.output(shown.ConservationBody)
def get_conservation(service_day: str) -> dict[str, Any]:
    """Return what became of every record of a service day (YYYY-MM-DD), by device: accepted = priced + in exception.

    Records that come to nothing by rule are counted as such. `conserved` is false while anything is unaccounted
    for; gaps in journals name the device that still holds them. 404 for what is no date, or without a tariff.
    """
    day = _day(service_day)
    with services().database.read() as tx:
        found = conserve(tx, day, book=_book(tx))
    return conservation_document(found)


@blueprint.get("/<service_day>")
@requires(*READERS)
@blueprint.output(shown.DayTallyBody)
def get_tally(service_day: str) -> dict[str, Any]:
    """Return how many tap records a service day (YYYY-MM-DD) has per operator, and what stands behind them.

    `committed` is what the cards' transaction counters must sum to; `coded` are taps of QR codes and tokens. 404
    for what is no date, or while no tariff says when a service day starts.
    """
    day = _day(service_day)
    with services().database.read() as tx:
        book = _book(tx)
        rows = tally(tx, day_window(day, book.day_starts, book.zone))
    names = ("records", "proven", "coded", "torn_proven", "torn_open", "refused", "in_exception", "committed")
    return {
        "service_day": day.isoformat(),
        "operators": [
            {"operator_id": row.operator_id, **{name: getattr(row, name) for name in names}} for row in rows
        ],
        "total": {name: sum(getattr(row, name) for row in rows) for name in names},
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        abort(404)


def _book(tx: Connection) -> TariffBook:
    books = services().shelf.books(tx)
    if not books.newest:
        abort(404, "No tariff is published.")
    return books.current()


def conservation_document(found: Conservation) -> dict[str, Any]:
    """Return a day's conservation as JSON has it."""
    devices = found.devices
    return {
        "service_day": found.service_day.isoformat(),
        "conserved": found.conserved,
        "accepted": sum(one.accepted for one in devices),
        "priced": sum(one.priced for one in devices),
        "nothing": sum(sum(one.nothing.values()) for one in devices),
        "in_exception": sum(sum(one.in_exception.values()) for one in devices),
        "unaccounted": sum(one.unaccounted for one in devices),
        "disagreeing_accounts": [str(one) for one in found.disagreeing],
        "devices": [_device(one) for one in devices],
    }


def _device(one: DeviceDay) -> dict[str, Any]:
    return {
        "device_id": str(one.device_id),
        "name": one.name,
        "operator_id": one.operator_id,
        "accepted": one.accepted,
        "priced": one.priced,
        "nothing": one.nothing,
        "in_exception": one.in_exception,
        "unaccounted": one.unaccounted,
        "set_aside": one.set_aside,
        "gaps": [
            {"journal_id": str(gap.journal_id), "first": gap.first, "last": gap.last} for gap in one.gaps
        ],
        "missing_taps": one.missing_taps,
        "complete": one.complete,
    }


def late_document(one: Late) -> dict[str, Any]:
    """Return one row of the late-tap inbox as JSON has it; times in seconds, amounts in minor units."""
    return {
        "device_id": str(one.device_id),
        "name": one.name,
        "service_day": one.service_day.isoformat(),
        "records": one.records,
        "waiting": one.waiting,
        "first_tapped_at": one.first_tapped_at.isoformat(),
        "last_received_at": one.last_received_at.isoformat(),
        "longest_s": int(one.longest.total_seconds()),
        "age_s": int(one.age.total_seconds()),
        "raised_minor": one.raised,
        "lowered_minor": one.lowered,
    }
