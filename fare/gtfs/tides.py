"""TIDES 1.0 out: fare transactions and devices as tables, public or for one card at a time.

Source: TIDES 1.0, fare_transactions.schema.json and devices.schema.json; GTFS-like CSV, empty cells are missing.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.money import Money

MEDIUM: Final = "Smart card or ticket"
_SPEC: Final = "https://raw.githubusercontent.com/TIDES-transit/TIDES/main/spec"

TRANSACTION_COLUMNS: Final = (
    "transaction_id", "service_date", "event_timestamp", "amount", "currency_type", "fare_action",
    "trip_id_scheduled", "pattern_id", "vehicle_id", "device_id", "stop_id", "num_riders", "fare_media_id",
    "rider_category", "fare_capped", "token_id",
)  # fmt: skip
DEVICE_COLUMNS: Final = ("device_id", "stop_id", "vehicle_id", "device_type")


class Action(StrEnum):
    """The `fare_action`s that taps make."""

    ENTER = "Enter"
    EXIT = "Exit"
    TRANSFER = "Transfer entrance"  # entered at no charge by a transfer rule


@dataclass(frozen=True, slots=True)
class Transaction:
    """One tap of one ride, with what it was charged; nothing of it is published as it stands."""

    card_id: UUID
    tap_id: UUID
    service_day: date
    at: datetime
    action: Action
    amount: Money
    capped: bool
    route_id: str
    direction: int
    stop_id: str
    trip_id: str
    vehicle_id: str
    device_id: UUID
    category: str
    at_station: bool


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device that made a published transaction; a vehicle's or a station's."""

    device_id: UUID
    stop_id: str
    vehicle_id: str
    at_station: bool


def amount_text(amount: Money) -> str:
    """Return the number alone, with the currency's decimals: 8595 for VND, 1.75 for GBP."""
    return str(amount).rpartition(" ")[0].replace(",", "")


def instant_text(at: datetime) -> str:
    """Return an instant as the schema's datetime: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def table(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    """Return CSV with these columns, in this order; a key that is no column is a programmer error."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        assert row.keys() <= set(columns), "a row has only the table's columns"
        writer.writerow(row)
    return text.getvalue()


def sealed_row(one: Transaction, token: str) -> dict[str, str]:
    """Return one tap as a row of the sealed, card-level table; `token` stands for the card in this export alone."""
    return {
        "transaction_id": str(one.tap_id),
        "service_date": one.service_day.isoformat(),
        "event_timestamp": instant_text(one.at),
        "amount": amount_text(one.amount),
        "currency_type": one.amount.currency.code,
        "fare_action": one.action.value,
        "trip_id_scheduled": one.trip_id,
        "pattern_id": pattern_id(one),
        "vehicle_id": "" if one.at_station else one.vehicle_id,
        "device_id": str(one.device_id),
        "stop_id": one.stop_id,
        "num_riders": "1",
        "fare_media_id": MEDIUM,
        "rider_category": one.category,
        "fare_capped": str(one.capped).lower(),
        "token_id": token,
    }


def pattern_id(one: Transaction) -> str:
    """Return the route and direction; a station's gate line serves both directions."""
    return one.route_id if one.at_station else f"{one.route_id}:{one.direction}"


def device_row(one: DeviceRow) -> dict[str, str]:
    """Return a device as a row of devices.csv."""
    return {
        "device_id": str(one.device_id),
        "stop_id": one.stop_id if one.at_station else "",
        "vehicle_id": "" if one.at_station else one.vehicle_id,
        "device_type": "Fare gate" if one.at_station else "Farebox",
    }


def data_package(title: str) -> dict[str, object]:
    """Return the datapackage.json beside the two tables."""
    return {
        "name": "lienthong",
        "title": title,
        "profile": f"{_SPEC}/tides-datapackage-profile.json",
        "resources": [
            {
                "name": name,
                "profile": "tabular-data-resource",
                "path": f"{name}.csv",
                "schema": f"{_SPEC}/{name}.schema.json",
            }
            for name in ("fare_transactions", "devices")
        ],
    }
