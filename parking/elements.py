"""Places, rate tables and rights on sale as APDS numbers them: the editions in force, and who they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property, lru_cache

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import OperatorId
from kernel.service_day import local_date
from parking.apds.editions import Content, Edition, ElementKind, Key, Rows, contents, editions, in_force
from parking.apds.encode import Casual
from parking.publish_rates import Rates
from parking.rules.book import RateBook
from parking.rules.place import Place
from parking.rules.rate import RateTable
from parking.rules.right import RightSpecification


class UnknownElementError(DomainError):
    """No place, rate table or right specification of this id is in force."""

    detail = "There is no {kind} {id} in force."


class StaleVersionError(DomainError):
    """The caller read an older version than there is now."""

    detail = "{id} is at version {version} now, not {given}: read it again."


@dataclass(frozen=True)
class Elements:
    """What is in force at an instant, as one set of operators may see it (None: all)."""

    book: RateBook
    editions: Mapping[Key, Edition]
    contents: Mapping[Key, Content]
    at: datetime
    operators: frozenset[OperatorId] | None

    @cached_property
    def on(self) -> date:
        """Return the earliest date that it is at any place of the book: what holds from it on holds everywhere."""
        return min(local_date(self.at, each.zone) for each in self.book.places.values())

    def rows(self, kind: ElementKind, element_id: str) -> Rows:
        """Return the published rows of an element that are in force."""
        return in_force(self.contents[kind, element_id], self.on)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Return the places that these operators run, by id; of all operators: every place."""
        return tuple(
            place for place_id in sorted(self.book.places) if self.sees(place := self.book.places[place_id])
        )

    def sees(self, place: Place) -> bool:
        """Return whether these operators run a place."""
        return self.operators is None or place.operator_id in self.operators

    @cached_property
    def casuals(self) -> tuple[Casual, ...]:
        """Return the rights to casual parking that hold in any of these places."""
        return tuple(each for each in self._assigned() if self._holds_here(each.place_id))

    @cached_property
    def tables(self) -> tuple[RateTable, ...]:
        """Return the rate tables that price any of these places, each as it stands."""
        found: dict[str, RateTable] = {}
        for each in self.casuals:
            zone = self.book.places[each.place_id].zone
            table = self.book.table(each.table_id, zone=zone, on=local_date(self.at, zone))
            if table is not None:
                found.setdefault(each.table_id, table)
        return tuple(found[table_id] for table_id in sorted(found))

    @cached_property
    def specifications(self) -> tuple[RightSpecification, ...]:
        """Return the rights on sale that hold in any of these places, by id."""
        found = []
        for spec_id in sorted(self.book.rights):
            for dated in self.book.rights[spec_id]:
                zone = self.book.places[dated.value.place_id].zone
                if dated.dates.holds(local_date(self.at, zone)) and self._holds_here(dated.value.place_id):
                    found.append(dated.value)
        return tuple(found)

    def of_place(self, place: Place) -> tuple[str, ...]:
        """Return the ids of the right specifications that hold in a place."""
        named = [(each.place_id, each.spec_id) for each in self.casuals]
        named += [(each.place_id, each.spec_id) for each in self.specifications]
        return tuple(spec for above, spec in named if self.book.is_within(place.place_id, above))

    def casual_of(self, spec_id: str) -> Casual:
        """Return a right to casual parking by its id; UnknownElementError."""
        for each in self.casuals:
            if each.spec_id == spec_id:
                return each
        raise UnknownElementError(kind=ElementKind.RIGHT_SPECIFICATION.value, id=spec_id)

    def casual_in(self, place_id: str, vehicle_class: str) -> str:
        """Return the id of the right by which a class parks in a place, by its own rate or the nearest above; or ""."""
        kind = vehicle_class or self.book.places[place_id].default_class
        at = place_id
        while at:
            found = [each for each in self.casuals if each.place_id == at and each.vehicle_class == kind]
            if found:
                return found[0].spec_id
            at = self.book.places[at].parent_id
        return ""

    def _assigned(self) -> Iterator[Casual]:
        for (place_id, vehicle_class, user), dated in sorted(self.book.assigned.items()):
            on = local_date(self.at, self.book.places[place_id].zone)
            for each in dated:
                if each.dates.holds(on):
                    yield Casual(place_id, vehicle_class, user, each.value)

    def _holds_here(self, above: str) -> bool:
        return any(self.book.is_within(place.place_id, above) for place in self.places)


def elements_in_force(tx: Connection, *, now: datetime, operators: frozenset[OperatorId] | None) -> Elements:
    """Return what is in force; UnknownElementError before the first publication."""
    rates = Rates(tx)
    published = rates.published_until(now)
    if not published:
        raise UnknownElementError(kind="publication", id=now.isoformat())
    return replace(elements_of(rates, published), at=now, operators=operators)


def elements_of(rates: Rates, published: Sequence[tuple[datetime, str]]) -> Elements:
    """Return what the last of these publications (oldest first, at least one) says, from its begin on, to all."""
    known = _numbered(tuple(published))
    if not known:
        known.update(editions([(at, _contents(rates, version)) for at, version in published]))
    begins, newest = published[-1]
    return Elements(rates.version(newest), known, _contents(rates, newest), begins, None)


@lru_cache(maxsize=16)
def _numbered(published: tuple[tuple[datetime, str], ...]) -> dict[Key, Edition]:  # noqa: ARG001 the memo's key
    return {}


def _contents(rates: Rates, version: str) -> Mapping[Key, Content]:
    found = _read(version)
    if not found:
        found.update(contents(rates.files(version)))
    return found


@lru_cache(maxsize=256)
def _read(version: str) -> dict[Key, Content]:  # noqa: ARG001 the memo's key
    return {}


def check_version(element_id: object, version: int, given: int) -> None:
    """Refuse a change of another version than the one in force with StaleVersionError."""
    if version != given:
        raise StaleVersionError(id=str(element_id), version=version, given=given)
