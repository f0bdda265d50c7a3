"""What pricing reads of accounts besides taps, with what counts to them through links (DESIGN §8.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access import link
from access.rules.link import Counting
from fare.park_ride import list_parked
from fare.rules.bill import Component
from fare.rules.facts import Correction, DayFacts, Entitlement, FareTap, HeldPass, PurseMove
from fare.rules.held import entitlement_during, pass_during
from fare.rules.tariff import TariffBook
from fare.store import facts
from kernel.ground import Ground
from kernel.ids import FareAccountId
from kernel.money import Currency
from ledger import dated_money

CHARGES: Final = f"fare.{Component.CHARGED.value}"


@dataclass(frozen=True, slots=True)
class Dated:
    """The facts of some accounts besides their taps: each with its own effective time (§8.2)."""

    passes: Mapping[FareAccountId, tuple[HeldPass, ...]]
    entitlements: Mapping[FareAccountId, tuple[Entitlement, ...]]
    corrections: Mapping[FareAccountId, tuple[Correction, ...]]
    purses: Mapping[FareAccountId, tuple[PurseMove, ...]] | None = None
    parked: Mapping[FareAccountId, tuple[Ground, ...]] = field(default_factory=dict)

    def facts(
        self, account: FareAccountId, day: date, taps: tuple[FareTap, ...], as_of: datetime | None
    ) -> DayFacts:
        """Return everything that an account-day's bill may depend on."""
        return DayFacts(
            fare_account_id=account,
            service_day=day,
            taps=taps,
            passes=self.passes.get(account, ()),
            entitlements=self.entitlements.get(account, ()),
            as_of=as_of,
            corrections=self.corrections.get(account, ()),
            purse=None if self.purses is None else self.purses.get(account, ()),
            parked=self.parked.get(account, ()),
        )


def read_dated(
    tx: Connection,
    accounts: Sequence[FareAccountId],
    book: TariffBook,
    *,
    first_day: date | None = None,
    purses: Currency | None = None,
    counting: Counting | None = None,
) -> Dated:
    """Return what pricing reads of these accounts besides their taps; billing and explaining both read it here.

    Passes and entitlements of an account that is linked into another count there, cut to the time of the link.
    `purses` names the currency where the tariff asks for debts (`money_of`); stays and rights are read for service
    days from `first_day` on, None: not at all. `counting` is how the accounts are linked, where the caller has read it.
    """
    wanted = set(accounts)
    counting = counting or link.counting(tx, wanted)
    homes = sorted(counting.homes_of(wanted))
    own = Dated(
        facts.list_passes(tx, homes), facts.list_entitlements(tx, homes), facts.list_corrections(tx, homes)
    )
    dated = _counted(own, counting, homes, wanted, book.zone) if counting.linked else own
    if first_day is not None:
        dated = replace(dated, parked=list_parked(tx, accounts, first_day=first_day, book=book))
    return dated if purses is None else replace(dated, purses=_purses(tx, accounts, purses))


def money_of(book: TariffBook) -> Currency | None:
    """Return the currency in which a tariff's pricing folds debts, or None where no rule of it asks for them."""
    return book.currency if book.folds_purse else None


def _purses(
    tx: Connection, accounts: Sequence[FareAccountId], unit: Currency
) -> dict[FareAccountId, tuple[PurseMove, ...]]:
    """Return dated money without the charges of rides: those the fold makes itself (§8.2)."""
    moved = dated_money.list_moves(tx, accounts, without=CHARGES, unit=unit)
    return {account: tuple(PurseMove(one.at, one.minor) for one in each) for account, each in moved.items()}


def _counted(
    own: Dated,
    counting: Counting,
    homes: Sequence[FareAccountId],
    wanted: AbstractSet[FareAccountId],
    zone: ZoneInfo,
) -> Dated:
    passes: dict[FareAccountId, list[HeldPass]] = {account: [] for account in wanted}
    proven: dict[FareAccountId, list[Entitlement]] = {account: [] for account in wanted}
    said: dict[FareAccountId, list[Correction]] = {account: [] for account in wanted}
    for home in homes:
        spans = [span for span in counting.spans(home) if span.account in wanted]
        for span in spans:
            cut = (pass_during(each, span.since, span.until) for each in own.passes.get(home, ()))
            passes[span.account] += [each for each in cut if each is not None]
            dated = (
                entitlement_during(each, span.since, span.until, zone)
                for each in own.entitlements.get(home, ())
            )
            proven[span.account] += [each for each in dated if each is not None]
        # A correction names its tap, so it finds its ride wherever that counts.
        for account in {span.account for span in spans}:
            said[account] += own.corrections.get(home, ())
    return Dated(
        {
            one: tuple(sorted(each, key=lambda held: (held.valid_from, held.pass_id)))
            for one, each in passes.items()
        },
        {
            one: tuple(sorted(each, key=lambda fact: (fact.valid_from, fact.concession)))
            for one, each in proven.items()
        },
        {
            one: tuple(sorted(each, key=lambda word: (word.left_at, word.tap_id)))
            for one, each in said.items()
        },
    )
