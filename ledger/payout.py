"""Pay a settled day out: planned in the fewest payments, approved by a second person, released once, undone by reversal.

Closing a day seals it; only a release authorises payment (DESIGN §8.10). Its entries land in the open day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import EntryId, OperatorId, uuid8
from kernel.money import VND, Currency, Money, currency
from kernel.service_day import local_date
from ledger import reverse, settle
from ledger import terms as terms_verbs
from ledger.accounts import open_accounts
from ledger.post import post_together
from ledger.rails.pain001 import Batch, Party, Payment, write_pain001
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.payout import (
    CENTRE,
    GONE,
    SIGNED,
    NotPayableError,
    PayoutAmountError,
    PayoutEvent,
    PayoutState,
    PayoutStep,
    PlannedPayment,
    UnknownPayoutError,
    check_payable,
    check_second_person,
    message_id,
    payout_name,
    plan,
    step,
)
from ledger.rules.settlement import Settled
from ledger.rules.terms import NoTermsError
from ledger.store import expected, subsidies
from ledger.store import payouts as store
from ledger.store.payouts import PaymentRow, PayoutRow

SETTLED: Final = "payout.settled"
PAID: Final = "payout.paid"
SUBSIDY: Final = "payout.subsidy"


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout with its payments and steps, and what it passes on of funders' money, by operator."""

    row: PayoutRow
    payments: tuple[PaymentRow, ...]
    steps: tuple[PayoutStep, ...]
    subsidies: tuple[tuple[OperatorId, Money], ...] = ()

    @property
    def total(self) -> Money:
        """Return what the centre's account is to pay."""
        minor = sum(one.minor for one in self.payments if one.payer == CENTRE)
        return Money(minor, currency(self.row.currency))


def prepare(
    tx: Connection,
    book_day: date,
    *,
    execute_on: date,
    centre: Party,
    by: str,
    now: datetime,
    unit: Currency = VND,
) -> Payout:
    """Plan the payout of a settled day, as its maker. A payout that stands is answered as it is.

    What funders have paid by now for operators goes with it.

    NotPayableError for a day that is not settled, disagrees or is not covered; NoTermsError for an operator whose
    account nobody signed.
    """
    store.lock_day(tx, book_day)
    subsidies.lock(tx)
    earlier = store.list_of_day(tx, book_day, unit.code)
    if earlier and earlier[0].state not in GONE:
        return get(tx, earlier[0].payout_id)
    settled = settle.find_settled(tx, book_day, unit=unit)
    if settled is None:
        raise NotPayableError(book_day=book_day.isoformat(), why="it is not settled")
    check_payable(book_day, settled.settlements, covered=settled.coverage.covered)
    revision = len(earlier) + 1
    passed_on = subsidies.list_payable(tx, unit)
    planned = plan(
        book_day,
        revision,
        settled.settlements,
        unit,
        subsidies=[(operator, minor) for _, operator, minor in passed_on],
    )
    payments = tuple(_payments(tx, settled, planned, centre, now))
    payout_id = uuid8("payout", unit.code, book_day, revision)
    row = PayoutRow(payout_id, book_day, unit.code, revision, execute_on, PayoutState.PREPARED, by, now)
    store.insert(tx, row, payments)
    subsidies.insert_passed_on(tx, payout_id, passed_on)
    return get(tx, payout_id)


def _payments(
    tx: Connection, settled: Settled, planned: tuple[PlannedPayment, ...], centre: Party, now: datetime
) -> Iterator[PaymentRow]:
    # Whoever changes a bank goes by the new terms at once: those that hold when the money moves.
    held = terms_verbs.in_force(tx, local_date(now, ZONE), signed_by=now)
    for one in planned:
        known = {str(name): terms for name, terms in held.items()}.get(one.payee)
        if one.payee == CENTRE:
            place = (centre.name, centre.account, centre.bank, centre.bic)
        elif known is None:
            raise NoTermsError(operator=one.payee, day=settled.book_day.isoformat())
        else:
            place = (known.name, known.account, known.bank, known.bic)
        yield PaymentRow(one.payment_no, one.payer, one.payee, one.amount.minor, one.end_to_end, *place)


def decide(
    tx: Connection,
    payout_id: UUID,
    event: PayoutEvent,
    *,
    by: str,
    now: datetime,
    note: str = "",
    confirmed: Money | None = None,
) -> Payout:
    """Take a payout one step on. UNDO_APPROVED reverses what the release booked.

    Approving needs the total confirmed. The same step by the same person again answers the first time.
    UnknownPayoutError, PayoutStateError, PayoutOnePersonError, PayoutAmountError.
    """
    assert event is not PayoutEvent.RELEASED, "a release makes a file: release()"
    found = get(tx, payout_id, lock=True)
    if found.steps and (found.steps[-1].event, found.steps[-1].actor) == (event, by):
        return found
    state = step(found.row.state, event, found.row.book_day)
    if event in SIGNED:
        asked_by = found.row.prepared_by if event is PayoutEvent.APPROVED else found.steps[-1].actor
        check_second_person(asked_by, by)
    if event is PayoutEvent.APPROVED and confirmed != found.total:
        raise PayoutAmountError(total=str(found.total), confirmed=str(confirmed))
    if event is PayoutEvent.UNDO_APPROVED:
        for entry in _entries(tx, found, now):
            outcome = reverse.reverse(
                tx,
                entry.owner_id,
                entry.entry_id,
                now,
                cause=f"payout-undo:{payout_id}",
                narrative="payout.undone",
            )
            assert not isinstance(outcome, Refused), "clearing accounts have no floor"
    if event is PayoutEvent.EXECUTED:
        _expect(tx, found, now)
    _write_step(tx, found, event, state, by=by, now=now, note=note)
    if state in GONE:
        subsidies.end_passed_on(tx, payout_id)
    return get(tx, payout_id)


def _expect(tx: Connection, found: Payout, now: datetime) -> None:
    """Tell reconciliation what the bank's statement will have: what we pay and what operators owe us.

    Not before the bank has acted: what is undone until then never shows there.
    """
    for one in found.payments:
        if CENTRE in {one.payer, one.payee}:
            expected.insert(
                tx,
                uuid8("payout expected", found.row.payout_id, one.payment_no),
                pool=store.POOL,
                source_id=found.row.payout_id,
                minor=-one.minor if one.payer == CENTRE else one.minor,
                currency=found.row.currency,
                now=now,
                end_to_end=one.end_to_end,
            )


def release(
    tx: Connection, payout_id: UUID, *, centre: Party, by: str, now: datetime
) -> tuple[Payout, bytes]:
    """Book an approved payout in the open day and return it with its payment file (empty: nobody is paid by us).

    Releasing it again answers the same file. UnknownPayoutError, PayoutStateError.
    """
    found = get(tx, payout_id, lock=True)
    kept = store.find_file(tx, payout_id)
    if kept is not None and found.row.state in {PayoutState.RELEASED, PayoutState.EXECUTED}:
        return found, kept
    state = step(found.row.state, PayoutEvent.RELEASED, found.row.book_day)
    entries = tuple(_entries(tx, found, now))
    if entries:
        outcomes = post_together(tx, entries, now)
        assert not any(isinstance(one, Refused) for one in outcomes), "operators' accounts have no floor"
    content = _file(found, centre, now)
    store.insert_file(tx, payout_id, content, now)
    _write_step(tx, found, PayoutEvent.RELEASED, state, by=by, now=now, note="")
    return get(tx, payout_id), content


def _file(found: Payout, centre: Party, now: datetime) -> bytes:
    unit = currency(found.row.currency)
    name = message_id(found.row.book_day, found.row.revision)
    listed = tuple(
        Payment(
            end_to_end=one.end_to_end,
            amount=Money(one.minor, unit),
            creditor=Party(name=one.name, account=one.account, bic=one.bic, bank=one.bank),
            text=f"Lien Thong {found.row.book_day.isoformat()} {one.payee}",
        )
        for one in found.payments
        if one.payer == CENTRE
    )
    if not listed:
        return b""
    batch = Batch(batch_id=name, execute_on=found.row.execute_on, debtor=centre, payments=listed)
    return write_pain001(name, (batch,), created_at=now)


def _entries(tx: Connection, found: Payout, now: datetime) -> Iterator[Entry]:
    """Yield what a release books: the day's movements and funders' money into clearing, then the payments."""
    unit = currency(found.row.currency)
    specs: dict[str, AccountSpec] = {CENTRE: chart.payout_transit(unit)}
    moved: dict[str, list[Line]] = {}
    kinds = (*settle.NET_KINDS, *settle.CASH_KINDS)
    for operator, account, minor in store.list_moved(tx, found.row.book_day, unit.code, kinds):
        clearing = specs.setdefault(operator, chart.operator_clearing(operator, unit))
        sides = (account, clearing.account_id) if minor > 0 else (clearing.account_id, account)
        moved.setdefault(operator, []).append(Line(*sides, Money(abs(minor), unit)))
    passed_on: dict[str, Line] = {}
    for owner, amount in found.subsidies:
        clearing = specs.setdefault(owner, chart.operator_clearing(owner, unit))
        claimed = specs.setdefault(f"subsidy {owner}", chart.operator_subsidy(owner, unit))
        debit, credit = (claimed, clearing) if amount.minor > 0 else (clearing, claimed)
        passed_on[owner] = Line(debit.account_id, credit.account_id, Money(abs(amount.minor), unit))
    for one in found.payments:
        for name in (one.payer, one.payee):
            specs.setdefault(name, chart.operator_clearing(name, unit))
    open_accounts(tx, tuple(specs.values()), now)
    for operator in sorted(moved):
        yield _entry(found, SETTLED, operator, specs[operator], tuple(moved[operator]), now)
    for name, line in passed_on.items():
        yield _entry(found, SUBSIDY, name, specs[name], (line,), now)
    for one in found.payments:
        line = Line(specs[one.payee].account_id, specs[one.payer].account_id, Money(one.minor, unit))
        yield _entry(found, PAID, one.end_to_end, specs[one.payee], (line,), now)


def _entry(
    found: Payout, kind: str, part: str, owner: AccountSpec, lines: tuple[Line, ...], now: datetime
) -> Entry:
    return Entry(
        entry_id=EntryId(uuid8(kind, found.row.payout_id, part)),
        kind=kind,
        lines=lines,
        owner_id=owner.owner_id,
        service_day=found.row.book_day,
        effective_at=now,
        cause=payout_name(found.row.payout_id),
        narrative=kind,
        metadata={"payout": message_id(found.row.book_day, found.row.revision), "part": part},
    )


def _write_step(
    tx: Connection,
    found: Payout,
    event: PayoutEvent,
    state: PayoutState,
    *,
    by: str,
    now: datetime,
    note: str,
) -> None:
    made = PayoutStep(len(found.steps) + 1, event, state, by, now, note)
    store.insert_step(tx, found.row.payout_id, made)


def get(tx: Connection, payout_id: UUID, *, lock: bool = False) -> Payout:
    """Return a payout; UnknownPayoutError."""
    row = store.find(tx, payout_id, lock=lock)
    if row is None:
        raise UnknownPayoutError(payout=str(payout_id))
    unit = currency(row.currency)
    return Payout(
        row,
        store.list_payments(tx, payout_id),
        store.list_steps(tx, payout_id),
        tuple((owner, Money(minor, unit)) for owner, minor in subsidies.list_passed_on(tx, payout_id)),
    )


def find_of_day(tx: Connection, book_day: date, *, unit: Currency = VND) -> Payout | None:
    """Return the newest payout of a day, or None."""
    rows = store.list_of_day(tx, book_day, unit.code)
    return get(tx, rows[0].payout_id) if rows else None
