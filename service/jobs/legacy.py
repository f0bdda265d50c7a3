"""Take the cards, balances and passes of an outgoing scheme on: all of a file that agrees with its totals, or nothing.

The file is judged whole before the first row is written. Portions are then committed one by one; a killed import is
finished by running it again, and running a finished one again changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import issue, take_on
from access.issue import IssuedCard, NewCard
from access.keyring import Keyring
from fare.rules.adjust import product_on
from fare.rules.sale import PassScopeError, check_scope
from fare.rules.tariff import TariffBook
from fare.take_on import OldPass, take_on_passes
from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import VND
from kernel.service_day import local_date
from kernel.wire.cardinfo import Concession
from ledger import post
from ledger.accounts import open_accounts
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from service import audit
from service.audit import Actor
from service.database import Database
from service.legacy_file import LegacyCard, LegacyFile, LegacyFileError, LegacyPass
from service.store import legacy as store
from service.store.legacy import TakenOn

PORTION: Final = 500


class LegacyFileTakenOnError(DomainError):
    """The same file was taken on under another scheme's name: its money would be booked twice."""

    detail = "This file was taken on before, as scheme {scheme}."


class UnknownLegacyCardError(DomainError):
    """No card of this number was taken on."""

    detail = "No card of scheme {scheme} with this number was taken on."


class LegacyCardMovedError(DomainError):
    """The holder has a card of ours already."""

    detail = "The holder of this card has a new one already."


@dataclass(frozen=True, slots=True)
class Portion:
    """How far an import is: cards done of all, and how many of them, and of their passes, were new."""

    done: int
    of: int
    new_cards: int
    new_passes: int


def check_products(file: LegacyFile, tariff: TariffBook) -> None:
    """Refuse a file with a pass that the tariff does not know, or for a scope it has not: LegacyFileError."""
    errors: list[dict[str, object]] = [
        {"line": one.line, "why": why}
        for card in file.cards
        for one in card.passes
        if (why := _unknown(one, tariff))
    ]
    if errors:
        raise LegacyFileError(count=len(errors), errors=errors[:200])


def run(
    database: Database,
    file: LegacyFile,
    *,
    scheme: str,
    tariff: TariffBook,
    keyring: Keyring,
    by: Actor,
    now: datetime,
) -> Iterator[Portion]:
    """Yield a portion as each is committed. Before anything is written: LegacyFileError for an
    unknown pass, LegacyFileTakenOnError.
    """
    check_products(file, tariff)
    batch_id = uuid8("legacy import", scheme, file.sha256)
    totals = {kind: [total.count, total.amount.minor] for kind, total in file.totals.items()}

    def begin(tx: Connection) -> datetime | None:
        other = store.find_other(tx, file.sha256, scheme)
        if other is not None:
            raise LegacyFileTakenOnError(scheme=other)
        return store.begin(
            tx,
            batch_id,
            scheme=scheme,
            sha256=file.sha256,
            currency=VND.code,
            totals=totals,
            by=f"{by.kind.value}:{by.actor_id}",
            now=now,
        )

    if database.run(begin) is not None:
        yield Portion(len(file.cards), len(file.cards), 0, 0)
        return
    for first in range(0, len(file.cards), PORTION):
        some = file.cards[first : first + PORTION]

        def work(tx: Connection, some: Sequence[LegacyCard] = some) -> tuple[int, int]:
            return _take_on(tx, some, batch_id, scheme=scheme, tariff=tariff, keyring=keyring, by=by, now=now)

        cards, passes = database.run(work)
        yield Portion(first + len(some), len(file.cards), cards, passes)

    def end(tx: Connection) -> None:
        store.end(tx, batch_id, now)
        audit.record(
            tx,
            actor=by,
            action="legacy.imported",
            subject_kind="legacy_import",
            subject_id=str(batch_id),
            now=now,
            detail={"scheme": scheme, **totals},
        )

    database.run(end)


def _unknown(one: LegacyPass, tariff: TariffBook) -> str:
    product = product_on(tariff.passes.get(one.product, ()), one.valid_from)
    if product is None:
        return f"the tariff knows no pass “{one.product}”"
    try:
        check_scope(product, one.scope, tariff.on(one.valid_from))
    except PassScopeError as error:
        return str(error)
    return ""


def claim(
    tx: Connection, *, scheme: str, number: str, new: NewCard, keyring: Keyring, by: Actor, now: datetime
) -> IssuedCard:
    """Give the holder of an old card a new one on the same account: its balance and passes are there already.

    `new.concession` is the old card's, whatever it says. UnknownLegacyCardError, LegacyCardMovedError.
    """
    account = take_on.legacy_account(keyring, scheme, number)
    found = store.find_card(tx, account)
    if found is None:
        raise UnknownLegacyCardError(scheme=scheme)
    if found.moved_to is not None:
        raise LegacyCardMovedError
    issue.lock_accounts(tx, (account,))
    asked = NewCard(
        uid=new.uid,
        concession=Concession(found.concession),
        expires_on=new.expires_on,
        operator_id=new.operator_id,
        fare_account_id=account,
    )
    (made,) = issue.issue_cards(tx, keyring=keyring, asked=(asked,), now=now)
    store.set_moved(tx, account, made.card_id, now)
    audit.record(
        tx, actor=by, action="legacy.claimed", subject_kind="card", subject_id=str(made.card_id), now=now
    )
    return made


def _take_on(
    tx: Connection,
    cards: Sequence[LegacyCard],
    batch_id: UUID,
    *,
    scheme: str,
    tariff: TariffBook,
    keyring: Keyring,
    by: Actor,
    now: datetime,
) -> tuple[int, int]:
    today = local_date(now, ZONE)
    post.book_day(tx, today, now)
    accounts = {take_on.legacy_account(keyring, scheme, card.number): card for card in cards}
    take_on.open_holders(tx, list(accounts), keyring=keyring, now=now)
    issue.lock_accounts(tx, accounts)
    rows = [
        TakenOn(account, card.number[-4:], int(card.concession), card.balance.minor, card.last_used_on)
        for account, card in sorted(accounts.items())
    ]
    new = store.insert_cards(tx, rows, scheme=scheme, batch_id=batch_id, currency=VND.code, now=now)
    owes = chart.legacy_clearing(scheme)
    purses = {account: chart.rider_stored_value(account) for account in sorted(new)}
    open_accounts(tx, (owes, *purses.values()), now)
    entries = [
        Entry(
            EntryId(uuid8("legacy balance", account)),
            "legacy.balance",
            (Line(owes.account_id, purse.account_id, accounts[account].balance),),
            account,
            today,
            now,
            f"legacy:{batch_id}",
            "legacy.balance",
            metadata={"scheme": scheme},
        )
        for account, purse in purses.items()
        if accounts[account].balance
    ]
    refused = [one for one in post.post(tx, entries, now) if isinstance(one, Refused)]
    assert not refused, f"a balance only rises: {refused}"
    passes = [
        OldPass(FareAccountId(account), one.product, one.scope, one.valid_from, one.valid_until, one.worth)
        for account in sorted(new)
        for one in accounts[account].passes
    ]
    sold_by = f"{by.kind.value}:{by.actor_id}"
    taken = take_on_passes(tx, passes, scheme=scheme, tariff=tariff, by=sold_by, service_day=today, now=now)
    return len(new), taken
