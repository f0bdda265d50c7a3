"""`GET /v1/bundles`: what one reader needs to decide alone. Asked for by RFC 9421, made for that device only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Final, TypeVar

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from access import actions, deny, enrol, purse
from access.bundle import PurseTerms, bundle_version, make_bundle
from access.delivery import delta_for
from access.rules.actionlist import ActionList
from access.rules.device import DeviceKind
from access.store.devices import Device
from fare.rules.lookup import flat_fares
from fare.rules.ride_fares import RideFares, ride_fares
from fare.rules.tariff import TariffBook
from kernel.ids import DeviceId
from kernel.wire.cardinfo import Concession
from parking.publish_rates import Rates
from service.auth import device_signed, signing_device
from service.services import services

_NOON: Final = time(12)
_TAKES_MONEY: Final = frozenset({DeviceKind.BUS, DeviceKind.METRO, DeviceKind.PARKING})
_Price = TypeVar("_Price")

blueprint: Final = APIBlueprint("bundles", __name__, tag="Devices")


class EnvelopeBody(BaseModel):
    """The signed bundle (docs/evidence.md says what is in it)."""

    bundle: str = Field(description="A JSON document, base64")
    signature: str = Field(description="Ed25519 by the key pinned at enrolment, base64")


class BundleQuery(BaseModel):
    """Which deny list the reader holds: it then gets what changed since, where that is less."""

    deny: Annotated[int, Field(ge=0, le=2**62)] = 0


@blueprint.get("/v1/bundles")
@device_signed
@blueprint.input(BundleQuery, location="query")
@blueprint.output(EnvelopeBody)
def get_bundle(query_data: BundleQuery) -> Response:
    """Return the newest bundle for the device that signed the request; 304 when it holds that version.

    The deny list's changes so far are published by this, so a reader never waits for a job. The ETag is the
    bundle's version in quotes.
    """
    running = services()
    device_id = signing_device().device_id
    held = request.headers.get("If-None-Match")

    def work(tx: Connection) -> tuple[int, bytes]:
        now = running.clock.now()
        denied, tariffs = deny.publish(tx), tuple(running.shelf.books(tx).by_version)
        wanted, rates = actions.publish(tx, now=now), Rates(tx)
        version = bundle_version(
            action_version=wanted.version,
            now=now,
            deny_version=denied,
            tariff_versions=tariffs,
            generations=running.keyring.generations,
            rate_versions=len(rates.published_until(now)) if running.settings.stored_value else 0,
        )
        # Thousands of readers ask each minute and mostly hold it already: the list is read only for the others.
        if held == f'"{version}"':
            return version, b""
        device = enrol.get_device(tx, device_id)
        made = make_bundle(
            device,
            version=version,
            keyring=running.keyring,
            denied=running.deny_shelf.at(tx, denied),
            actions=wanted,
            delta=delta_for(tx, held=query_data.deny, newest=denied),
            tariff_versions=tariffs,
            passback_s=running.settings.passback_s,
            now=now,
            purse=_purse_terms(tx, device, wanted, now, rates),
        )
        return version, made

    version, envelope = running.database.run(work)
    answer = Response(envelope, content_type="application/json") if envelope else Response(status=304)
    answer.headers["ETag"] = f'"{version}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _purse_terms(
    tx: Connection, device: Device, wanted: ActionList, now: datetime, rates: Rates
) -> PurseTerms | None:
    """Return what this reader needs for stored-value cards; None where it is none of its business."""
    running = services()
    if not running.settings.stored_value or device.kind not in _TAKES_MONEY:
        return None
    prices: Mapping[str, object] = {}
    if device.kind is DeviceKind.PARKING:
        book = rates.at(now)
        prices = {"purse_rates": _texts(rates, book.version)} if book is not None else {}
    else:
        books = running.shelf.books(tx)
        if books.newest:
            current = books.current()
            prices = _prices(current, now.astimezone(current.zone).date())
    device_id = DeviceId(device.device_id)
    return PurseTerms(prices, purse.load_keys(tx, wanted, device_id, keyring=running.keyring))


def _texts(rates: Rates, version: str) -> Mapping[str, str]:
    return {name: raw.decode() for name, raw in rates.files(version).items()}


@lru_cache(maxsize=4)  # a tariff has some thousand prices, and all readers ask for the same ones
def _prices(book: TariffBook, on: date) -> Mapping[str, object]:
    at = datetime.combine(on, _NOON, book.zone)
    flat, rides = flat_fares(book, at), ride_fares(book, at)
    routes = book.on(on).routes
    return {
        "purse_fares": _by_name(flat, int),
        "purse_rides": _by_name(rides, _ride_words),
        "purse_limits": {
            route: limit // timedelta(seconds=1)
            for route in sorted(flat.keys() | rides.keys())
            if (limit := routes[route].rule.limit) is not None
        },
    }


def _by_name(
    prices: Mapping[str, Mapping[Concession, _Price]], worded: Callable[[_Price], object]
) -> Mapping[str, Mapping[str, object]]:
    return {route: {each.name: worded(price) for each, price in row.items()} for route, row in prices.items()}


def _ride_words(each: RideFares) -> Mapping[str, object]:
    fares: dict[str, dict[str, int]] = {}
    for (start, end), amount in each.fares.items():
        fares.setdefault(start, {})[end] = amount
    return {"within": each.within, "most": each.most, "fares": fares}
