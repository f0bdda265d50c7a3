"""To which fare account a tap counts: the one its medium was issued on, or the one that was linked into (DESIGN §8.1).

A link is a dated fact: from an instant on, what counts to one account counts to another. Of several facts about one
account the last recorded one whose instant has come decides, so an undo is a later fact and nothing is ever edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class LinkFact:
    """From `effective_from` on, `account` counts to `into`; its own id there says that it stands alone again.

    `number` is the order in which the facts about one account were recorded.
    """

    account: FareAccountId
    number: int
    into: FareAccountId
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """On [since, until) a medium's account counts to `account`; None is without end."""

    account: FareAccountId
    since: datetime | None
    until: datetime | None

    def covers(self, at: datetime) -> bool:
        """Return whether an instant lies in the span."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


class Counting:
    """What a set of link facts comes to, for every instant."""

    __slots__ = ("_facts", "_spans")

    def __init__(self, facts: Iterable[LinkFact]) -> None:
        by_account: dict[FareAccountId, list[LinkFact]] = {}
        for fact in sorted(facts, key=lambda fact: (fact.account, fact.number), reverse=True):
            by_account.setdefault(fact.account, []).append(fact)
        self._facts: Mapping[FareAccountId, list[LinkFact]] = by_account
        self._spans: dict[FareAccountId, tuple[Span, ...]] = {}

    @property
    def linked(self) -> bool:
        """Return whether there is any fact at all."""
        return bool(self._facts)

    @property
    def accounts(self) -> frozenset[FareAccountId]:
        """Return every account that a fact names."""
        return frozenset(
            account
            for facts in self._facts.values()
            for fact in facts
            for account in (fact.account, fact.into)
        )

    def account(self, home: FareAccountId, at: datetime) -> FareAccountId:
        """Return the account that what happens on `home` at an instant counts to. Never refuses."""
        if home not in self._facts:
            return home
        return next(span.account for span in self.spans(home) if span.covers(at))

    def spans(self, home: FareAccountId) -> tuple[Span, ...]:
        """Return the whole of time, in order, cut where `home` changes what it counts to."""
        if home not in self._spans:
            self._spans[home] = self._cut(home)
        return self._spans[home]

    def homes_of(self, wanted: Iterable[FareAccountId]) -> frozenset[FareAccountId]:
        """Return every account of which something at some time counts to one of these, themselves included."""
        asked = frozenset(wanted)
        return asked | {
            home for home in self._facts if any(span.account in asked for span in self.spans(home))
        }

    def loops(self) -> bool:
        """Return whether at some instant the links lead round in a circle: such facts are never recorded."""
        instants = [None, *sorted({fact.effective_from for facts in self._facts.values() for fact in facts})]
        return any(self._follow(home, at) is None for home in self._facts for at in instants)

    def _cut(self, home: FareAccountId) -> tuple[Span, ...]:
        instants = sorted({fact.effective_from for facts in self._facts.values() for fact in facts})
        found: list[Span] = []
        for since, until in zip([None, *instants], [*instants, None], strict=True):
            account = self._follow(home, since)
            assert account is not None, "the links of accounts never lead round in a circle"
            if found and found[-1].account == account:
                found[-1] = Span(account, found[-1].since, until)
            else:
                found.append(Span(account, since, until))
        return tuple(found)

    def _follow(self, home: FareAccountId, at: datetime | None) -> FareAccountId | None:
        seen = {home}
        account = home
        while (after := self._step(account, at)) != account:
            if after in seen:
                return None
            seen.add(after)
            account = after
        return account

    def _step(self, account: FareAccountId, at: datetime | None) -> FareAccountId:
        if at is not None:
            for fact in self._facts.get(account, ()):  # the last recorded first
                if fact.effective_from <= at:
                    return fact.into
        return account
