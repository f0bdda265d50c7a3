"""Exports of an operator's parking: CSV as it is read, or XLSX with the sums under it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from apiflask import APIBlueprint
from flask import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from service import audit, exports
from service.api.bodies import files
from service.auth import principal, requires, scope
from service.parking_rows import Kind, Period, count_rows, sheet
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("parking_exports", __name__, tag="Parking", url_prefix="/v1/parking/exports")
_LONGEST: Final = timedelta(days=400)
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ExportAsked(BaseModel):
    """Which time `[since, until)`, at most 400 days, and as what. Stays count by their begin."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime
    until: AwareDatetime
    format: Literal["csv", "xlsx"] = "csv"

    @model_validator(mode="after")
    def _forwards(self) -> ExportAsked:
        if not timedelta(0) < self.until - self.since <= _LONGEST:
            raise ValueError("the period is longer than nothing and at most 400 days")
        return self


@blueprint.get("/stays")
@requires(Role.PARKING_OPERATOR, Role.AUDITOR)
@blueprint.input(ExportAsked, location="query", arg_name="asked")
@blueprint.doc(responses=files("text/csv", _XLSX))
def export_stays(asked: ExportAsked) -> Response:
    """Export stays, each with its price and where its money stands; `X-Total-Rows` says how many come."""
    return _export(Kind.STAYS, asked)


@blueprint.get("/observations")
@requires(Role.PARKING_OPERATOR, Role.AUDITOR)
@blueprint.input(ExportAsked, location="query", arg_name="asked")
@blueprint.doc(responses=files("text/csv", _XLSX))
def export_observations(asked: ExportAsked) -> Response:
    """Export what officers and cameras saw; no plate is in it."""
    return _export(Kind.OBSERVATIONS, asked)


@blueprint.get("/shifts")
@requires(Role.PARKING_OPERATOR, Role.AUDITOR)
@blueprint.input(ExportAsked, location="query", arg_name="asked")
@blueprint.doc(responses=files("text/csv", _XLSX))
def export_shifts(asked: ExportAsked) -> Response:
    """Export attendants' shifts with float, takings, count and variance."""
    return _export(Kind.SHIFTS, asked)


@blueprint.get("/leakage")
@requires(Role.PARKING_OPERATOR, Role.AUDITOR)
@blueprint.input(ExportAsked, location="query", arg_name="asked")
@blueprint.doc(responses=files("text/csv", _XLSX))
def export_leakage(asked: ExportAsked) -> Response:
    """Export the leakage meter's reading of each shift."""
    return _export(Kind.LEAKAGE, asked)


def _export(kind: Kind, asked: ExportAsked) -> Response:
    running = services()
    now, actor = running.clock.now(), principal().actor
    period = Period(operators=scope(), since=asked.since, until=asked.until)
    with running.database.begin() as tx:
        audit.record(
            tx,
            actor=actor,
            action="parking.exported",
            subject_kind="parking_export",
            subject_id=kind.value,
            now=now,
            detail={
                "since": asked.since.isoformat(),
                "until": asked.until.isoformat(),
                "format": asked.format,
            },
        )
    name = f"{kind.value}-{asked.since:%Y%m%d}-{asked.until:%Y%m%d}.{asked.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    with running.database.read() as tx:
        total = count_rows(tx, kind, period)
    if total is not None:
        headers["X-Total-Rows"] = str(total)
    if asked.format == "xlsx":
        exports.check_fits(total or 0)
        return Response(_xlsx(running.database, kind, period, now), mimetype=_XLSX, headers=headers)
    return Response(_csv(running.database, kind, period, now), mimetype="text/csv", headers=headers)


def _csv(database: Any, kind: Kind, period: Period, now: datetime) -> Iterator[str]:
    with database.read() as tx:
        yield from exports.csv_lines(sheet(tx, kind, period, now=now))


def _xlsx(database: Any, kind: Kind, period: Period, now: datetime) -> Iterator[bytes]:
    with TemporaryDirectory(prefix="lienthong-export-") as folder:
        path = Path(folder) / "export.xlsx"
        with database.read() as tx:
            exports.write_xlsx(sheet(tx, kind, period, now=now), path)
        with path.open("rb") as file:
            while part := file.read(65_536):
                yield part
