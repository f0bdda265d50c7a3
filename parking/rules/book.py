"""The rate book: every dated part of one set of files, compiled to the table that holds on a date."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from kernel.money import Currency
from kernel.service_day import local_date
from parking.rules import place_files, rate_files, right_files
from parking.rules.edges import DateKind, Edges, Role
from parking.rules.errors import (
    NoRateError,
    RateFilesInvalidError,
    UnknownPlaceError,
    UnknownVehicleClassError,
)
from parking.rules.place import Place, VehicleClass
from parking.rules.rate import Cap, RateLineCollection, RateTable, Tax
from parking.rules.rate_checks import check_references, check_table
from parking.rules.rate_files import FILES, REQUIRED, SINGLE_ROLES, Dated
from parking.rules.right import RightKind, RightSpecification
from parking.rules.rows import Dates, RateProblem, Row, read_rows, refuse_overlaps

_DAY: Final = timedelta(days=1)
_EVER: Final = Dates(None, None)


@dataclass(frozen=True, slots=True)
class TableParts:
    """Everything the files say about one table id, dated."""

    currency: Currency
    heads: tuple[Dated[Edges], ...]
    collections: tuple[Dated[str], ...]
    lines: tuple[Row, ...]
    caps: tuple[Dated[Cap], ...]
    taxes: tuple[Dated[Tax], ...]

    def turns(self) -> list[date]:
        """Return the dates on which anything about the table begins or has just ended."""
        found: set[date] = set()
        rows = [each.row for part in (self.heads, self.collections, self.caps, self.taxes) for each in part]
        for dates in (row.dates() for row in [*rows, *self.lines]):
            if dates.first is not None:
                found.add(dates.first)
            if dates.last is not None:
                found.add(dates.last + _DAY)
        return sorted(found)


@dataclass(frozen=True, slots=True)
class RateBook:
    """One version of places, gates, classes, rates and rights. Immutable; compiled tables are remembered."""

    version: str
    places: Mapping[str, Place]
    gates: Mapping[str, str]
    classes: Mapping[str, VehicleClass]
    rights: Mapping[str, tuple[Dated[RightSpecification], ...]]
    earned: tuple[str, ...]  # products that rides earn on some date, by id; most books have none
    holidays: Mapping[tuple[str, DateKind], frozenset[date]]  # by calendar; "" are everybody's
    assigned: Mapping[tuple[str, str, str], tuple[Dated[str], ...]]
    _tables: Mapping[str, TableParts]
    _compiled: dict[tuple[str, str, date | None], RateTable | None] = field(
        default_factory=dict, compare=False, repr=False
    )
    _turns: dict[str, list[date]] = field(default_factory=dict, compare=False, repr=False)

    def place(self, place_id: str) -> Place:
        """Return the place; UnknownPlaceError."""
        found = self.places.get(place_id)
        if found is None:
            raise UnknownPlaceError(place_id=place_id)
        return found

    def dates_of(self, kind: DateKind, calendar: str) -> frozenset[date]:
        """Return everybody's special dates of a kind, and a calendar's own."""
        return self.holidays.get(("", kind), frozenset()) | self.holidays.get((calendar, kind), frozenset())

    def is_within(self, place_id: str, above_id: str) -> bool:
        """Return whether a place is another one, or stands below it."""
        at: str = place_id
        while at and at != above_id:
            place = self.places.get(at)
            at = place.parent_id if place else ""
        return bool(at)

    def right(self, spec_id: str, on: date) -> RightSpecification | None:
        """Return the product of that id as it is on a date; None where it is not sold then."""
        return next((each.value for each in self.rights.get(spec_id, ()) if each.dates.holds(on)), None)

    def place_of_gate(self, gate_id: str) -> Place | None:
        """Return the place a gate belongs to; a gate may also be named by its place."""
        return self.places.get(self.gates.get(gate_id, gate_id))

    def park_and_ride(self, on: date) -> tuple[RightSpecification, ...]:
        """Return the products of a date that rides earn, by id."""
        return tuple(
            each.value
            for spec_id in self.earned
            for each in self.rights[spec_id]
            if each.dates.holds(on) and each.value.kind is RightKind.PARK_AND_RIDE
        )

    def table(self, table_id: str, *, zone: ZoneInfo, on: date) -> RateTable | None:
        """Return the table as it stands on a date, bound to the zone; None where it does not hold."""
        parts = self._tables.get(table_id)
        if parts is None:
            return None
        turns = self._turns.get(table_id)
        if turns is None:
            turns = self._turns[table_id] = parts.turns()
        place = bisect_right(turns, on)
        edition = turns[place - 1] if place else None
        key = (table_id, zone.key, edition)
        if key not in self._compiled:
            self._compiled[key] = _compile(self, table_id, parts, zone, on, edition)
        return self._compiled[key]

    def table_for(
        self, place_id: str, vehicle_class: str, entered_at: datetime, *, user: str = "casual"
    ) -> RateTable:
        """Return the table that prices a stay begun then, by its place or the nearest place above.

        UnknownPlaceError, UnknownVehicleClassError, NoRateError: an unknown price is never zero.
        """
        place: Place | None = self.place(place_id)
        if vehicle_class not in self.classes:
            raise UnknownVehicleClassError(vehicle_class=vehicle_class, known=", ".join(sorted(self.classes)))
        reason = "no row of rate_assignments.csv names it"
        assert place is not None, "place() refuses"
        zone = place.zone
        on = local_date(entered_at, zone)
        while place is not None:
            for dated in self.assigned.get((place.place_id, vehicle_class, user), ()):
                if not dated.dates.holds(on):
                    reason = f"no row of rate_assignments.csv holds on {on}"
                    continue
                table = self.table(dated.value, zone=zone, on=on)
                if table is not None:
                    return table
                reason = f"rate table {dated.value} does not hold on {on}"
            place = self.places.get(place.parent_id)
        raise NoRateError(
            place_id=place_id,
            vehicle_class=vehicle_class,
            user=user,
            entered_at=entered_at.astimezone(zone).isoformat(),
            reason=reason,
        )


def _compile(
    book: RateBook, table_id: str, parts: TableParts, zone: ZoneInfo, on: date, edition: date | None
) -> RateTable | None:
    head = next((each for each in parts.heads if each.dates.holds(on)), None)
    if head is None:
        return None
    rows = {each.value: each.row for each in parts.collections if each.dates.holds(on)}
    lines: dict[str, list[Row]] = {name: [] for name in rows}
    for row in parts.lines:
        name = row.text("collection_id")
        # Lines of a collection that does not hold do not hold either, whatever their own dates say.
        if row.dates().holds(on) and (not name or name in rows):
            lines.setdefault(name, []).append(row)
    collections = [
        rate_files.collection(
            rows.get(name), parts.currency, [rate_files.line(row, parts.currency) for row in each], name
        )
        for name, each in lines.items()
    ]
    collections.sort(key=lambda each: each.sequence)
    by_role = {role: tuple(each for each in collections if each.role is role) for role in Role}
    calendar = head.row.text("calendar")

    def only(role: Role) -> RateLineCollection | None:
        return by_role[role][0] if by_role[role] else None

    return RateTable(
        table_id=table_id,
        name=head.row.text("name"),
        version=book.version,
        edition=edition,
        decision=head.row.text("decision"),
        source=head.row.text("source"),
        currency=parts.currency,
        zone=zone,
        edges=head.value,
        ordinary=by_role[Role.ORDINARY],
        packages=by_role[Role.PACKAGE],
        overstay=only(Role.OVERSTAY),
        no_show=only(Role.NO_SHOW),
        lost_ticket=only(Role.LOST_TICKET),
        caps=tuple(
            sorted((each.value for each in parts.caps if each.dates.holds(on)), key=lambda c: c.sequence)
        ),
        taxes=tuple(
            sorted((each.value for each in parts.taxes if each.dates.holds(on)), key=lambda t: t.sequence)
        ),
        holidays=book.dates_of(DateKind.HOLIDAY, calendar),
        eves=book.dates_of(DateKind.EVE, calendar),
    )


def version_of(files: Mapping[str, bytes]) -> str:
    """Return the version that these bytes have: "rates-" and the first 16 hex digits of their SHA-256."""
    digest = sha256()
    for name in sorted(files):
        digest.update(len(name).to_bytes(4, "big") + name.encode())
        digest.update(len(files[name]).to_bytes(8, "big") + files[name])
    return f"rates-{digest.hexdigest()[:16]}"


def load_rates(files: Mapping[str, bytes]) -> RateBook:
    """Return the book of a directory's CSV files, by name.

    Raises RateFilesInvalidError with every problem found, each a RateProblem(file, row, field, message).
    """
    known = ", ".join(FILES)
    unknown = sorted(files.keys() - FILES.keys())
    problems = [
        *(RateProblem(name, 0, "", f"unknown file; known: {known}") for name in unknown),
        *(RateProblem(name, 0, "", "is missing") for name in REQUIRED if name not in files),
    ]
    rows = {name: read_rows(files, name, columns, problems) for name, columns in FILES.items()}
    if "places.csv" in files and not rows["places.csv"] and not problems:
        problems.append(RateProblem("places.csv", 0, "", "names no place"))
    book = _book(rows, version_of(files))
    check_references(rows)
    if not problems:
        for table_id, parts in book._tables.items():  # noqa: SLF001 the loader is the book's own maker
            for on in _sample_dates(parts):
                table = book.table(table_id, zone=ZoneInfo("UTC"), on=on)
                if table is not None:
                    check_table(table, parts.heads[0].row, parts.lines, on)
    if problems:
        unique = tuple(dict.fromkeys(problems))
        raise RateFilesInvalidError(count=len(unique), first=str(unique[0]), problems=unique)
    return book


def _sample_dates(parts: TableParts) -> list[date]:
    turns = parts.turns()
    return [turns[0] - _DAY, *turns] if turns else [datetime(2000, 1, 1, tzinfo=UTC).date()]


def _book(rows: Mapping[str, list[Row]], version: str) -> RateBook:
    heads: dict[str, list[Row]] = {}
    for row in rows["rate_tables.csv"]:
        heads.setdefault(row.needed("table_id"), []).append(row)
    refuse_overlaps(rows["rate_tables.csv"], ("table_id",), "the rate table")
    refuse_overlaps(rows["rate_line_collections.csv"], ("table_id", "collection_id"), "the collection")
    single = [row for row in rows["rate_line_collections.csv"] if row.text("role") in SINGLE_ROLES]
    refuse_overlaps(single, ("table_id", "role"), "a collection of this role")
    refuse_overlaps(rows["rate_lines.csv"], ("table_id", "collection_id", "sequence"), "the line")
    refuse_overlaps(rows["rate_caps.csv"], ("table_id", "cap_id"), "the cap")
    refuse_overlaps(rows["rate_taxes.csv"], ("table_id", "tax_id"), "the tax")
    refuse_overlaps(
        rows["rate_assignments.csv"], ("place_id", "vehicle_class", "user"), "a rate for this place and class"
    )
    tables: dict[str, TableParts] = {}
    for table_id, mine in heads.items():
        money = rate_files.currency_of(mine[0])
        for row in mine[1:]:
            if rate_files.currency_of(row) != money:
                row.wrong("currency", f"table {table_id} is in {money.code} elsewhere")

        def of(name: str, table_id: str = table_id) -> list[Row]:
            return [row for row in rows[name] if row.text("table_id") == table_id]

        collections = of("rate_line_collections.csv")
        for row in collections:
            rate_files.collection(row, money, (), row.needed("collection_id"))
        for row in of("rate_lines.csv"):
            rate_files.line(row, money)
        tables[table_id] = TableParts(
            money,
            tuple(Dated(row.dates(), rate_files.edges(row, money), row) for row in mine),
            tuple(Dated(row.dates(), row.text("collection_id"), row) for row in collections),
            tuple(of("rate_lines.csv")),
            tuple(Dated(row.dates(), rate_files.cap(row, money), row) for row in of("rate_caps.csv")),
            tuple(Dated(row.dates(), rate_files.tax(row), row) for row in of("rate_taxes.csv")),
        )
    assigned: dict[tuple[str, str, str], list[Dated[str]]] = {}
    for row in rows["rate_assignments.csv"]:
        key = (row.needed("place_id"), row.needed("vehicle_class"), row.text("user", "casual"))
        assigned.setdefault(key, []).append(Dated(row.dates(), row.needed("table_id"), row))
    rights: dict[str, list[Dated[RightSpecification]]] = {}
    for row in rows["right_specifications.csv"]:
        spec = right_files.right(row)
        rights.setdefault(spec.spec_id, []).append(Dated(row.dates(), spec, row))
    holidays: dict[tuple[str, DateKind], set[date]] = {}
    for row in rows["holidays.csv"]:
        day, kind = rate_files.holiday(row), row.choice("kind", DateKind.HOLIDAY)
        if day is not None:
            holidays.setdefault((row.text("calendar"), kind), set()).add(day)
    return RateBook(
        version=version,
        places={row.text("place_id"): place_files.place(row) for row in rows["places.csv"]},
        gates={row.needed("gate_id"): row.needed("place_id") for row in rows["gates.csv"]},
        classes={row.text("class_id"): place_files.vehicle_class(row) for row in rows["vehicle_classes.csv"]},
        rights={name: tuple(each) for name, each in rights.items()},
        earned=tuple(
            sorted(
                name
                for name, each in rights.items()
                if any(one.value.kind is RightKind.PARK_AND_RIDE for one in each)
            )
        ),
        holidays={key: frozenset(days) for key, days in holidays.items()},
        _tables=tables,
        assigned={key: tuple(each) for key, each in assigned.items()},
    )
