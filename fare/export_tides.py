"""Export rides as TIDES 1.0: public and privacy-safe, or card-level in sealed form."""

import hmac
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from io import BytesIO
from secrets import token_bytes
from typing import Final

from sqlalchemy import Connection

from fare.bill import Books
from fare.gtfs import tides, tides_privacy
from fare.gtfs.tides import Action, DeviceRow, Transaction
from fare.gtfs.tides_privacy import LEAST_K, LEAST_MINUTES, Disclosure
from fare.rules.bill import Closed
from fare.rules.difference import TRIPS
from fare.rules.tariff import TariffBook
from fare.rules.terms import Settled
from fare.store import tides as store
from fare.store.tides import RideTap
from kernel.crypto.sealing import box_to
from kernel.errors import DomainError
from kernel.money import Money, currency
from kernel.wire.cardinfo import Concession

MOST_DAYS: Final = 31
_TRANSFERS: Final = ("fare_transfer_rules:", "transfer_windows:")


class TidesRangeError(DomainError):
    """The days are out of order, or more than one export holds."""

    detail = "An export holds up to {most} days in order: {first} to {last} does not fit."


class TidesTooFineError(DomainError):
    """The public export would not hide a person in a crowd."""

    detail = "A public export needs k of at least {least_k} and bands of at least {least_minutes} minutes that divide a day."


class TidesRecipientError(DomainError):
    """The recipient's key is not one that anything can be sealed to."""

    detail = "The recipient is a 32-byte X25519 public key in hexadecimal."


@dataclass(frozen=True, slots=True)
class PublicExport:
    """The files of a public export by name, and what they disclose."""

    files: dict[str, str]
    disclosure: Disclosure


def export_public(
    tx: Connection, first: date, last: date, *, books: Books, k: int, minutes: int
) -> PublicExport:
    """Return the public files of these service days: fare_transactions, devices, data package, disclosure report.

    TidesRangeError, TidesTooFineError.
    """
    _check_range(first, last)
    if k < LEAST_K or not tides_privacy.band_fits(minutes):
        raise TidesTooFineError(least_k=LEAST_K, least_minutes=LEAST_MINUTES)
    book = books.current()
    found = list(_transactions(tx, first, last, book))
    rows, disclosure = tides_privacy.publishable(found, k=k, minutes=minutes, zone=book.zone)
    assert disclosure.holds, "the rule that the export was made by"
    report = tides_privacy.report(disclosure, first=first, last=last)
    return PublicExport(
        {
            "fare_transactions.csv": tides.table(tides.TRANSACTION_COLUMNS, tides_privacy.public_rows(rows)),
            "devices.csv": _devices(found),
            "datapackage.json": _json(tides.data_package(f"Fares {first} to {last}, public")),
            "disclosure.json": _json(report),
        },
        disclosure,
    )


def export_sealed(
    tx: Connection, first: date, last: date, *, books: Books, recipient: bytes
) -> tuple[bytes, int]:
    """Return a zip of card-level tables that only the holder of the recipient's key opens, and how many rows it has.

    A card's token is made with a key that is thrown away: tokens of two exports cannot be matched, nor led back to
    a card. TidesRangeError, TidesRecipientError.
    """
    _check_range(first, last)
    found = sorted(
        _transactions(tx, first, last, books.current()), key=lambda one: (one.at, one.tap_id, one.action)
    )
    once = token_bytes(32)
    rows = (
        tides.sealed_row(one, hmac.new(once, one.card_id.bytes, sha256).hexdigest()[:32]) for one in found
    )
    whole = BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("fare_transactions.csv", tides.table(tides.TRANSACTION_COLUMNS, _numbered(rows)))
        files.writestr("devices.csv", _devices(found))
        files.writestr(
            "datapackage.json", _json(tides.data_package(f"Fares {first} to {last}, card-level, sealed"))
        )
    try:
        return box_to(recipient, whole.getvalue()), len(found)
    except ValueError:
        raise TidesRecipientError from None


def _check_range(first: date, last: date) -> None:
    if not 0 <= (last - first).days < MOST_DAYS:
        raise TidesRangeError(most=MOST_DAYS, first=first.isoformat(), last=last.isoformat())


def _transactions(tx: Connection, first: date, last: date, book: TariffBook) -> Iterable[Transaction]:
    closed = sorted(one.value for one in TRIPS)
    for row in store.list_ride_taps(tx, first, last, closed):
        yield _transaction(row, book)


def _transaction(row: RideTap, book: TariffBook) -> Transaction:
    route = book.on(row.service_day).routes.get(row.route_id)
    if row.ends or row.closed == Closed.MISSING_ON.value:
        action = Action.EXIT
    elif row.face_minor == 0 and row.rule.startswith(_TRANSFERS):
        action = Action.TRANSFER
    else:
        action = Action.ENTER
    return Transaction(
        card_id=row.card_id,
        tap_id=row.tap_id,
        service_day=row.service_day,
        at=row.tapped_at,
        action=action,
        amount=Money(row.charged_minor or 0, currency(row.currency)),
        capped=row.cap_covered_minor > 0,
        route_id=row.route_id,
        direction=row.direction,
        stop_id=row.stop_id,
        trip_id=row.trip_id,
        vehicle_id=row.place,
        device_id=row.device_id,
        category=Concession(row.concession).name,
        at_station=route is not None and route.rule.settled is Settled.RIDE,
    )


def _devices(found: Iterable[Transaction]) -> str:
    rows: dict[str, DeviceRow] = {}
    for one in sorted(found, key=lambda each: (each.device_id, each.at, each.tap_id)):
        rows[str(one.device_id)] = DeviceRow(one.device_id, one.stop_id, one.vehicle_id, one.at_station)
    return tides.table(tides.DEVICE_COLUMNS, (tides.device_row(row) for _, row in sorted(rows.items())))


def _numbered(rows: Iterable[dict[str, str]]) -> Iterable[dict[str, str]]:
    """Make ids unique: a tap that ends one ride and is charged for another is two transactions."""
    seen: dict[str, int] = {}
    for row in rows:
        tap = row["transaction_id"]
        seen[tap] = seen.get(tap, 0) + 1
        yield {**row, "transaction_id": tap if seen[tap] == 1 else f"{tap}-{seen[tap]}"}


def _json(body: object) -> str:
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"
