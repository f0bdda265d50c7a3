"""What is exported of parking for an operator and a period: stays, observations, shifts, leakage."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kernel.ids import OperatorId
from kernel.money import Money, currency
from parking.elements import elements_in_force
from parking.meter import read_leakage
from parking.settled import list_settled
from parking.shift import list_shifts
from parking.store.changes import count_begun, stream_begun
from parking.store.observations import list_recorded
from service.exports import Row, Sheet

_ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_DAY: Final = timedelta(days=1)
_PAGE: Final = 1_000


class Kind(StrEnum):
    """What is exported."""

    STAYS = "stays"
    OBSERVATIONS = "observations"
    SHIFTS = "shifts"
    LEAKAGE = "leakage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whose, and of which time `[since, until)`."""

    operators: frozenset[OperatorId] | None
    since: datetime
    until: datetime


def sheet(tx: Connection, kind: Kind, period: Period, *, now: datetime) -> Sheet:
    """Return what is to be exported; its rows are read while they are asked for."""
    match kind:
        case Kind.STAYS:
            return Sheet(_STAYS, frozenset({"total", "charged"}), lambda: _stays(tx, period, now))
        case Kind.OBSERVATIONS:
            return Sheet(_OBSERVATIONS, frozenset(), lambda: _observations(tx, period))
        case Kind.SHIFTS:
            amounts = frozenset({"float", "taken", "dropped", "expected", "counted", "variance"})
            return Sheet(_SHIFTS, amounts, lambda: _shifts(tx, period, now))
        case Kind.LEAKAGE:
            amounts = frozenset({"expected", "received", "missing"})
            return Sheet(_LEAKAGE, amounts, lambda: _leakage(tx, period, now))


def count_rows(tx: Connection, kind: Kind, period: Period) -> int | None:
    """Return how many rows there will be, for progress; None where only writing them tells."""
    if kind is Kind.STAYS:
        return count_begun(tx, period.operators, since=period.since, until=period.until)
    return None


_STAYS: Final = (
    *("session_id", "place_id", "operator_id", "vehicle_class", "state", "cases", "entered_at", "left_at"),
    *("total", "charged", "currency", "table_id", "rates_version", "revision"),
    *("money", "settled_at", "settled_by", "held_because"),
)
_OBSERVATIONS: Final = (
    *("observation_id", "place_id", "operator_id", "observed_at", "verdict", "may_notify", "session_id"),
    *("confidence_pct", "image_ref", "note", "observed_by", "recorded_at"),
)
_SHIFTS: Final = (
    *("shift_id", "place_id", "operator_id", "till", "attendant", "state", "opened_at", "float", "taken"),
    *(
        "dropped",
        "expected",
        "counted",
        "variance",
        "currency",
        "explanation",
        "counted_by",
        "closed_at",
        "closed_by",
    ),
)
_LEAKAGE: Final = (
    *(
        "shift_id",
        "place_id",
        "attendant",
        "state",
        "opened_at",
        "gate_turns",
        "camera_turns",
        "tickets_issued",
    ),
    *("turns_seen", "turns_paid", "turns_excused", "turns_unpaid", "capture_millionths"),
    *("expected", "received", "missing", "currency", "alert"),
)


def _stays(tx: Connection, period: Period, now: datetime) -> Generator[Row]:
    for part in stream_begun(tx, period.operators, since=period.since, until=period.until, size=_PAGE):
        settled = list_settled(tx, part, now=now)
        for row in part:
            unit, money = currency(row.currency), settled[row.stay_id]
            yield (
                str(row.stay_id),
                row.place_id,
                row.operator_id,
                row.vehicle_class,
                row.state,
                row.cases,
                _at(row.entered_at),
                _at(row.left_at),
                _amount(Money(row.total_minor, unit)),
                _amount(Money(row.charged_minor, unit)),
                row.currency,
                row.table_id,
                row.rates_version,
                row.revision,
                money.state.value,
                _at(money.settled_at),
                " ".join(money.by),
                money.why.value if money.why else "",
            )


def _observations(tx: Connection, period: Period) -> Generator[Row]:
    offset = 0
    while True:
        found, _ = list_recorded(
            tx, period.operators, since=period.since, until=period.until, offset=offset, limit=_PAGE
        )
        for each in found:
            yield (
                str(each.observation_id),
                each.place_id,
                each.operator_id,
                _at(each.observed_at),
                each.verdict,
                "yes" if each.may_notify else "no",
                str(each.session_id) if each.session_id else "",
                each.confidence_pct,
                each.image_ref,
                each.note,
                each.observed_by,
                _at(each.recorded_at),
            )
        if len(found) < _PAGE:
            return
        offset += _PAGE


def _shifts(tx: Connection, period: Period, now: datetime) -> Generator[Row]:
    for place_id, since, until in _place_days(tx, period, now):
        for each in reversed(list_shifts(tx, place_id, since=since, until=until, now=now)):
            yield (
                str(each.shift_id),
                each.place_id,
                each.operator_id,
                each.till,
                each.attendant,
                each.state.value,
                _at(each.opened_at),
                _amount(each.float_),
                _amount(each.taken),
                _amount(each.dropped),
                _amount(each.expected),
                _amount(each.counted) if each.counted is not None else None,
                _amount(each.variance) if each.variance is not None else None,
                each.float_.currency.code,
                each.explanation,
                each.counted_by,
                _at(each.closed_at),
                each.closed_by,
            )


def _leakage(tx: Connection, period: Period, now: datetime) -> Generator[Row]:
    for place_id, since, until in _place_days(tx, period, now):
        for each in reversed(read_leakage(tx, place_id, since=since, until=until, now=now)):
            reading, seen = each.reading, each.reading.seen
            yield (
                seen.shift,
                place_id,
                seen.attendant,
                each.shift.state.value,
                _at(each.shift.opened_at),
                seen.gate_turns,
                seen.camera_turns,
                seen.tickets_issued,
                reading.turns_seen,
                seen.turns_paid,
                seen.turns_excused,
                reading.turns_unpaid,
                reading.capture_millionths,
                _amount(seen.expected),
                _amount(seen.received),
                _amount(reading.missing),
                seen.expected.currency.code,
                "yes" if reading.alert else "no",
            )


def _place_days(tx: Connection, period: Period, now: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield each place of the operators for each day of the period: few enough shifts to list."""
    seen = elements_in_force(tx, now=now, operators=period.operators)
    for place in seen.places:
        since = period.since
        while place.operator_id and since < period.until:
            until = min(since + _DAY, period.until)
            yield place.place_id, since, until
            since = until


def _at(at: datetime | None) -> str:
    return at.astimezone(_ZONE).isoformat() if at is not None else ""


def _amount(money: Money) -> Decimal:
    return Decimal(money.minor).scaleb(-money.currency.exponent)
