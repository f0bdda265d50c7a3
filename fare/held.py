"""What pricing reads of accounts besides taps, with what counts to them through links (DESIGN §8.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access import link
from access.rules.link import Counting
from fare.rules.facts import Correction, DayFacts, Entitlement, FareTap, HeldPass
from fare.rules.held import entitlement_during, pass_during
from fare.store import facts
from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class Dated:
    """The facts of some accounts besides their taps: each with its own effective time (§8.2)."""

    passes: Mapping[FareAccountId, tuple[HeldPass, ...]]
    entitlements: Mapping[FareAccountId, tuple[Entitlement, ...]]
    corrections: Mapping[FareAccountId, tuple[Correction, ...]]

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
        )


def read_dated(tx: Connection, accounts: Sequence[FareAccountId], zone: ZoneInfo) -> Dated:
    """Return what pricing reads of these accounts besides their taps; billing and explaining both read it here.

    Passes and entitlements of an account that is linked into another count there, cut to the time of the link.
    """
    wanted = set(accounts)
    counting = link.counting(tx, wanted)
    homes = sorted(counting.homes_of(wanted))
    own = Dated(
        facts.list_passes(tx, homes), facts.list_entitlements(tx, homes), facts.list_corrections(tx, homes)
    )
    return _counted(own, counting, homes, wanted, zone) if counting.linked else own


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
