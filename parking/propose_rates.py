"""Propose a change of one place, rate table or product, and say yes or no to it: the publication takes two people.

What a proposal asks for is worked out again when it is approved, from the rates that are newest then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.exact_json import exact_json
from kernel.ids import OperatorId, uuid8
from parking.apds import encode
from parking.apds.amend import amend, check_not_needed, difference
from parking.apds.decode import AttributesNotKeptError, merged, rows_of, unkept
from parking.apds.editions import Edition, ElementKind, contents
from parking.apds.shapes import Json
from parking.elements import Elements, UnknownElementError, check_version, elements_of
from parking.proposals import Action, Asked, Proposal, get_proposal
from parking.publish_rates import BackdatedRatesError, Rates, publish_rates
from parking.rules.book import RateBook, load_rates
from parking.rules.proposal import ProposalState, Word, next_state
from parking.store import proposals as store
from parking.store import rates as rate_store
from parking.store.proposals import EndRow, ProposalRow

CITY: Final = OperatorId("")
Allow = Callable[[frozenset[OperatorId]], None]


def _let(operators: frozenset[OperatorId]) -> None:
    """Let anybody touch anything: whoever approves is the city."""


class ElementExistsError(DomainError):
    """An element of this id is published already."""

    detail = "There is a {kind} {id} already: change it, or choose another id."


class PlannedRatesError(DomainError):
    """Rates that begin later were made without this change, and would undo it."""

    detail = (
        "Rates {version} begin at {effective_at}: name that instant or a later one, or change those files."
    )


class RatesAgainError(DomainError):
    """A publication is not repeated: what was replaced on the same date would not come back by it."""

    detail = (
        "This comes to what was published as {version} already. Where other rates replaced it, name another decision"
        " or source, or propose it for another date."
    )


class CasualRightError(DomainError):
    """The right to casual parking is published with its place."""

    detail = "{id} is changed with its place, by the place's lienthong.assignments."


@dataclass(frozen=True, slots=True)
class Worked:
    """What a change makes of the newest rates; `operators` run the places that it touches ("" is the city)."""

    files: Mapping[str, bytes]
    gone: list[Json]
    come: list[Json]
    operators: frozenset[OperatorId]


def work_out(tx: Connection, asked: Asked, *, now: datetime, allow: Allow = _let) -> Worked:
    """Return what a change makes of the rates. Nothing is written.

    `allow` is asked whether the caller may touch places of these operators, and refuses by raising.
    UnknownElementError, ElementExistsError, StaleVersionError, ElementInvalidError, AttributesNotKeptError,
    ElementNeededError, LaterRowsError, EndingRowsError, PlannedRatesError, BackdatedRatesError, RatesAgainError,
    RateFilesInvalidError.
    """
    rates = Rates(tx)
    published = rates.published()
    if not published:
        raise UnknownElementError(kind="publication", id=now.isoformat())
    newest_at, newest = published[-1]
    begins = asked.effective_at or now
    if begins < now:
        raise BackdatedRatesError(effective_at=begins.isoformat(), now=now.isoformat())
    if begins < newest_at:
        raise PlannedRatesError(version=newest, effective_at=newest_at.isoformat())
    base = replace(elements_of(rates, published), at=begins)
    allow(_operators(base.book, asked))
    standing = _standing(base, asked)
    rows = {} if asked.action is Action.DELETE else rows_of(asked.kind, merged(standing, asked.attributes))
    before = rates.files(newest)
    if not rows:
        check_not_needed(before, asked.kind, asked.element_id)
    files = amend(before, asked.kind, asked.element_id, rows, on=base.on)
    after = replace(base, book=load_rates(files), contents=contents(files))
    if after.book.version in {version for _, version in published}:
        raise RatesAgainError(version=after.book.version)
    if rows:
        lost = unkept(asked.attributes, _encoded(after, asked))
        if lost:
            raise AttributesNotKeptError(attributes=", ".join(lost))
    touched = _operators(base.book, asked) | _operators(after.book, asked)
    allow(touched)
    key = (asked.kind, asked.element_id)
    return Worked(
        files,
        *difference(base.contents.get(key), after.contents.get(key)),
        touched,
    )


def _standing(base: Elements, asked: Asked) -> Json:
    """Return the element as it stands, or what every new one begins with."""
    known = (asked.kind, asked.element_id) in base.contents
    if asked.action is Action.CREATE:
        if known:
            raise ElementExistsError(kind=asked.kind.value, id=asked.element_id)
        return {"lienthong": {}}
    if not known and asked.element_id.startswith("casual:"):
        raise CasualRightError(id=asked.element_id)
    if not known:
        raise UnknownElementError(kind=asked.kind.value, id=asked.element_id)
    check_version(asked.element_id, base.editions[asked.kind, asked.element_id].version, asked.version)
    return _encoded(base, asked)


def _encoded(seen: Elements, asked: Asked) -> Json:
    """Return the element as APDS object; UnknownElementError where none of its rows holds any more."""
    element_id, book = asked.element_id, seen.book
    known = {(asked.kind, element_id): Edition(1, seen.at, seen.at), **seen.editions}
    rows = seen.rows(asked.kind, element_id)
    match asked.kind:
        case ElementKind.PLACE:
            place = book.places[element_id]
            return encode.place(place, book, known, seen.of_place(place), None, rows=rows)
        case ElementKind.RATE_TABLE:
            zone = next(iter(book.places.values())).zone
            table = book.table(element_id, zone=zone, on=seen.on)
            if table is not None:
                return encode.rate_table(table, known, rows)
        case ElementKind.RIGHT_SPECIFICATION:
            spec = book.right(element_id, seen.on)
            if spec is not None:
                return encode.right_specification(spec, book, known, rows)
    raise UnknownElementError(kind=asked.kind.value, id=element_id)


def _operators(book: RateBook, asked: Asked) -> frozenset[OperatorId]:
    """Return who runs the places that an element is about ("" is the city)."""
    about = {
        ElementKind.PLACE: [asked.element_id],
        ElementKind.RATE_TABLE: [
            *(key[0] for key, dated in book.assigned.items() if any(each.value == asked.element_id for each in dated)),
            *(
                each.value.place_id
                for dated in book.rights.values()
                for each in dated
                if each.value.table_id == asked.element_id
            ),
        ],
        ElementKind.RIGHT_SPECIFICATION: [each.value.place_id for each in book.rights.get(asked.element_id, ())],
    }  # fmt: skip
    return frozenset(
        book.places[place_id].operator_id for place_id in about[asked.kind] if place_id in book.places
    )


def propose(
    tx: Connection,
    asked: Asked,
    *,
    by: str,
    now: datetime,
    allow: Allow,
    operators: frozenset[OperatorId] | None = None,
) -> Proposal:
    """Keep a change as a proposal, when it can be worked out; the same again is answered as the first time.

    `operators` are the caller's own (None: any), whose proposal it is where it touches no place. What was refused or
    withdrawn may be proposed anew. Raises what `work_out` does.
    """
    text = "" if asked.action is Action.DELETE else exact_json(asked.attributes)
    begins = asked.effective_at.isoformat() if asked.effective_at else ""
    named = (by, asked.action.value, asked.kind.value, asked.element_id, asked.version, text, begins)
    attempt = 0
    while known := store.find_proposal(tx, uuid8("parking rate proposal", *named, attempt)):
        found = Proposal(*known, again=True)
        if found.state in {ProposalState.PROPOSED, ProposalState.APPROVED}:
            return found
        attempt += 1
    worked = work_out(tx, asked, now=now, allow=allow)
    row = ProposalRow(
        proposal_id=uuid8("parking rate proposal", *named, attempt),
        action=asked.action.value,
        kind=asked.kind.value,
        element_id=asked.element_id,
        version=asked.version,
        asked=text,
        effective_at=asked.effective_at,
        operators=sorted(worked.operators or operators or {CITY}),
        proposed_by=by,
        proposed_at=now,
    )
    store.insert_proposal(tx, row)
    return Proposal(row, None)


def say(tx: Connection, proposal_id: UUID, word: Word, *, by: str, note: str = "", now: datetime) -> Proposal:
    """Approve (and publish), refuse or withdraw a proposal; the same word again is answered as the first time.

    ProposalUnknownError, ProposalStateError, ProposalOnePersonError, and what `work_out` and `publish_rates` refuse
    when rates have changed since.
    """
    rate_store.lock_publications(tx)
    found = get_proposal(tx, proposal_id)
    if found.end and found.end.ended_by == by and found.state is _ENDS[word]:
        return replace(found, again=True)
    state = next_state(found.state, word, by=by, proposed_by=found.row.proposed_by)
    version = ""
    if state is ProposalState.APPROVED:
        worked = work_out(tx, found.asked, now=now)
        version = publish_rates(
            tx,
            worked.files,
            prepared_by=found.row.proposed_by,
            approved_by=by,
            effective_at=found.row.effective_at,
            now=now,
        ).version
    end = EndRow(
        proposal_id=proposal_id,
        outcome=state.value,
        ended_by=by,
        ended_at=now,
        note=note,
        rates_version=version,
    )
    store.insert_end(tx, end)
    return Proposal(found.row, end)


_ENDS: Final = {
    Word.APPROVE: ProposalState.APPROVED,
    Word.REFUSE: ProposalState.REFUSED,
    Word.WITHDRAW: ProposalState.WITHDRAWN,
}
