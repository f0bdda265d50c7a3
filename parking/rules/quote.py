"""A binding price with its proof: every line, the version and the decision it rests on, recomputable offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final

from kernel.clock import micros
from kernel.money import Money
from parking.rules.calendar import instant, stretches_over
from parking.rules.edges import ExitGraceMode, Measure, UnusedPaidTime
from parking.rules.engine import charges_for, total_of
from parking.rules.errors import ImpossibleTimesError, UnitCountError, UnknownUnitError
from parking.rules.rate import RateLineCollection, RateTable
from parking.rules.tax import tax_charges
from parking.rules.walk import Charge, Kind

# 3: caps leave the overstay rate alone. 4: a replacing tier stands for increments too, parts are rounded together,
# free minutes look at priced time where only that counts.
ENGINE_VERSION: Final = "parking-4"
_SECOND: Final = 1_000_000
_LONGEST_S: Final = 400 * 86_400
_YEARS: Final = range(1970, 3000)


class Basis(Enum):
    """What a quote prices: a stay's time, or a stay of which no time is known."""

    STAY = "stay"
    NOTHING = "nothing"  # one end is missing and the table charges nothing for it
    LOST_TICKET = "lost_ticket"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True)
class ProofLine:
    """One amount of a proof. `units` times `unit_price` where a rate line made it; else the amount alone.

    Parts of an increment have 0 units; what is counted and not timed has its `quantity`.
    """

    kind: Kind
    ref: str
    description: str
    start: datetime
    end: datetime
    units: int
    unit_price: Money | None
    amount: Money
    decision: str
    quantity: Decimal | None = None

    def to_json(self) -> dict[str, object]:
        """Return the line as plain JSON values, instants in UTC."""
        return {
            "kind": self.kind.value,
            "ref": self.ref,
            "description": self.description,
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "units": self.units,
            "quantity": str(self.quantity) if self.quantity is not None else None,
            "unit_price": self.unit_price.to_json() if self.unit_price is not None else None,
            "amount": self.amount.to_json(),
            "decision": self.decision,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price of a stay. Binding until `expires_at` (None: it prices a stay that has ended)."""

    table: RateTable
    entered_at: datetime
    left_at: datetime
    measured_s: int
    charges: tuple[Charge, ...]
    extras: tuple[tuple[str, Decimal], ...]
    total: Money
    expires_at: datetime | None
    basis: Basis = Basis.STAY

    def lines(self) -> tuple[ProofLine, ...]:
        """Return the proof's lines; their amounts sum to the total."""
        counted = dict(self.extras)
        return tuple(_proof_line(self.table, charge, counted) for charge in self.charges)

    def to_json(self) -> dict[str, object]:
        """Return the quote with its price proof, as plain JSON values."""
        table = self.table
        return {
            "engine_version": ENGINE_VERSION,
            "rates_version": table.version,
            "table_id": table.table_id,
            "edition": table.edition.isoformat() if table.edition else None,
            "decision": table.decision,
            "source": table.source,
            "zone": table.zone.key,
            "basis": self.basis.value,
            "from": self.entered_at.astimezone(table.zone).isoformat(),
            "to": self.left_at.astimezone(table.zone).isoformat(),
            "measured_s": self.measured_s,
            "extras": {name: str(count) for name, count in self.extras},
            "lines": [line.to_json() for line in self.lines()],
            "total": self.total.to_json(),
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }


def _proof_line(table: RateTable, charge: Charge, counted: Mapping[str, Decimal]) -> ProofLine:
    line = charge.line
    priced = None if charge.kind is Kind.LINE_CAP or (line and line.per > 1) else line
    included = charge.kind is Kind.TAX_INCLUDED
    decisions = {each.cap_id: each.decision for each in table.caps}
    decisions.update({each.tax_id: each.decision for each in table.taxes})
    decision = (line.decision if line else decisions.get(charge.ref)) or table.decision
    return ProofLine(
        kind=charge.kind,
        ref=charge.ref,
        description=line.description if line else "",
        start=instant(charge.start),
        end=instant(charge.end),
        units=1 if included else 0 if line and line.per > 1 else charge.units,
        unit_price=Money(priced.value if priced else charge.units, table.currency)
        if priced or included
        else None,
        amount=Money(charge.amount, table.currency),
        decision=decision,
        quantity=counted[charge.ref] if charge.kind is Kind.UNIT else None,
    )


def measured_s(table: RateTable, entered_at: datetime, left_at: datetime) -> int:
    """Return the length of a stay in the seconds that the table measures; ImpossibleTimesError."""
    length = micros(left_at) - micros(entered_at)
    reason = ""
    if length < 0:
        reason = "it ends before it begins"
    elif length > _LONGEST_S * _SECOND:
        reason = "it is longer than 400 days"
    elif entered_at.year not in _YEARS:
        reason = f"no stay begins before {_YEARS.start} or after {_YEARS.stop - 1}"
    if reason:
        raise ImpossibleTimesError(
            entered_at=entered_at.astimezone(table.zone).isoformat(),
            left_at=left_at.astimezone(table.zone).isoformat(),
            reason=reason,
        )
    match table.edges.measure:
        case Measure.SECOND:
            return length // _SECOND
        case Measure.MINUTE_DOWN:
            return length // (60 * _SECOND) * 60
        case Measure.MINUTE_UP:
            return -(-length // (60 * _SECOND)) * 60


def priced_end(table: RateTable, paid_until: datetime, left: datetime) -> datetime:
    """Return the instant until which a stay is priced that was paid ahead until one and left at another.

    Within the exit grace it is what was paid; after it the whole time counts (`cliff`), or all but the grace.
    """
    edges = table.edges
    if left <= paid_until:
        return left if edges.unused_paid_time is UnusedPaidTime.REFUND else paid_until
    grace = timedelta(minutes=edges.exit_grace_min)
    if left <= paid_until + grace:
        return paid_until
    return left - grace if edges.exit_grace_mode is ExitGraceMode.DEDUCTION else left


def price(table: RateTable, entered_at: datetime, left_at: datetime) -> Money:
    """Return what a stay costs, without a proof: the fast way to the same amount as `quote_between`."""
    length = measured_s(table, entered_at, left_at)
    entered = micros(entered_at) // _SECOND
    charges = charges_for(table, entered, length)
    if table.taxes:
        charges += tax_charges(table, charges, entered, entered + length)
    return _rounded(table, total_of(charges))


def _rounded(table: RateTable, total: int) -> Money:
    found = Money(total, table.currency)
    step = table.edges.round_to
    return found if step == 1 else found.rounded_to(step, table.edges.rounding)


def quote_between(
    table: RateTable,
    entered_at: datetime,
    left_at: datetime,
    *,
    extras: Mapping[str, Decimal] | None = None,
    asked_at: datetime | None = None,
) -> Quote:
    """Return the price of a stay with its proof; `extras` are counted units by name, such as 12.5 kWh.

    With `asked_at` the quote binds until that instant plus the table's quote_valid_min. Raises
    ImpossibleTimesError, UncoveredTimeError, and UnknownUnitError for a unit that the table does not price.
    """
    length = measured_s(table, entered_at, left_at)
    entered = micros(entered_at) // _SECOND
    charges = charges_for(table, entered, length)
    charges += unit_charges(table, extras or {}, entered, entered + length)
    expires = asked_at + timedelta(minutes=table.edges.quote_valid_min) if asked_at else None
    return finish(table, entered_at, left_at, length, charges, extras or {}, expires)


def finish(
    table: RateTable,
    entered_at: datetime,
    left_at: datetime,
    length: int,
    charges: list[Charge],
    extras: Mapping[str, Decimal],
    expires_at: datetime | None,
    basis: Basis = Basis.STAY,
) -> Quote:
    """Return the quote of these charges, once taxed and rounded."""
    start = micros(entered_at) // _SECOND
    charges = charges + tax_charges(table, charges, start, start + length)
    before = total_of(charges)
    total = _rounded(table, before)
    if total.minor != before:
        charges.append(Charge(Kind.ROUNDING, "round_to", start, start + length, 1, total.minor - before))
    return Quote(
        table=table,
        entered_at=entered_at.astimezone(UTC),
        left_at=left_at.astimezone(UTC),
        measured_s=length,
        charges=tuple(charges),
        extras=tuple(sorted(extras.items())),
        total=total,
        expires_at=expires_at,
        basis=basis,
    )


def unit_charges(table: RateTable, extras: Mapping[str, Decimal], start: int, end: int) -> list[Charge]:
    """Return the charges of counted units (12.345 kWh, a car wash); UnknownUnitError, UnitCountError.

    A unit that several windows price costs what the one at the entry says.
    """
    at_entry = stretches_over(table, start, start + 1)[0].collection
    lines = [line for each in table.ordinary for line in each.units]
    prices = {line.unit: line for line in [*reversed(lines), *(at_entry.units if at_entry else ())]}
    found: list[Charge] = []
    for name, count in sorted(extras.items()):
        line = prices.get(name)
        if line is None:
            known = ", ".join(sorted(prices)) or "none"
            raise UnknownUnitError(unit=name, known=known, table_id=table.table_id)
        thousandths = int(count * 1_000)
        if count < 0 or thousandths != count * 1_000:
            raise UnitCountError(unit=name, count=str(count))
        if not thousandths:
            continue
        amount = (
            Money(line.value, table.currency).share(thousandths, 1_000 * line.per, table.edges.rounding).minor
        )
        units = 0 if thousandths % 1_000 or line.per > 1 else thousandths // 1_000
        charge = Charge(Kind.UNIT, name, start, end, units, amount, line)
        found.append(charge)
        if line.max_value is not None and amount > line.max_value:
            found.append(charge._replace(kind=Kind.LINE_CAP, units=1, amount=line.max_value - amount))
    return found


def quote_timeless(table: RateTable, basis: Basis, entered_at: datetime, left_at: datetime) -> Quote:
    """Return the price of a stay of which no time is known: the flat amounts of the role's lines, taxed and rounded.

    A table without that role charges nothing; `nothing` charges nothing.
    """
    kind, each = _ROLES[basis](table)
    at = micros(entered_at) // _SECOND
    charges = (
        []
        if each is None
        else [Charge(kind, each.collection_id, at, at, 1, one.value, one) for one in each.flats]
    )
    return finish(table, entered_at, left_at, 0, charges, {}, None, basis)


_ROLES: Final[Mapping[Basis, Callable[[RateTable], tuple[Kind, RateLineCollection | None]]]] = {
    Basis.NOTHING: lambda _: (Kind.FREE, None),
    Basis.LOST_TICKET: lambda table: (Kind.LOST_TICKET, table.lost_ticket),
    Basis.NO_SHOW: lambda table: (Kind.NO_SHOW, table.no_show),
}
