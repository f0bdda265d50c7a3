"""The checks over one statement, over the chain of statements in a file, and what makes them quarantined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Final

from kernel.money import Currency, Money
from ledger.rails.bankfile import (
    NO_CURRENCY,
    Balance,
    BalanceKind,
    BankEntry,
    FileClosed,
    Finding,
    Severity,
    StatementClosed,
    StatementOpened,
    Status,
    error,
    read_currency,
    warning,
)

_MOST_FINDINGS: Final = 1_000  # kept of one statement, so that a hopeless file cannot fill the memory
_HINTED: Final = 10_000  # amounts remembered for the hint: memory stays flat in longer statements


def verdict(findings: Iterable[Finding], *, strict: bool) -> tuple[Status, str]:
    """Return the status that findings add up to, with the first reason; read strictly, a warning counts too."""
    for found in sorted(findings, key=lambda one: one.severity is Severity.WARNING):
        if strict or found.severity is Severity.ERROR:
            return Status.QUARANTINED, found.code
    return Status.ACCEPTED, ""


def difference_hint(difference: int, amounts: Iterable[int]) -> str:
    """Return what a difference in minor units smells of, "" when of nothing.

    Twice an entry: its sign is wrong. An entry: it stands twice or is missing. Divisible by 9: two digits are
    swapped (10a + b - (10b + a) = 9 (a - b)).
    """
    size = abs(difference)
    if not size:
        return ""
    known = {abs(amount) for amount in amounts}
    if size in known:
        return f"an entry has just this amount ({size}): it may be missing or stand twice"
    if size % 2 == 0 and size // 2 in known:
        return f"it is twice an entry's amount ({size // 2}): that sign may be wrong"
    return "it is divisible by 9: two digits may be swapped" if size % 9 == 0 else ""


@dataclass(slots=True)
class Tally:
    """One statement while it is read. Give it what stands there; `close` says what it comes to."""

    head: StatementOpened
    strict: bool
    balances: list[Balance] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    entries: int = 0
    _unit_seen: set[str] = field(default_factory=set)
    _in: int = 0
    _out: int = 0
    _last: Money | None = None
    _amounts: list[int] = field(default_factory=list)
    _pending: int = 0
    _credit_count: int = 0

    def note(self, found: Iterable[Finding]) -> None:
        """Take findings; past a thousand only the first error is still kept, since it decides the status."""
        for one in found:
            if len(self.findings) < _MOST_FINDINGS or (
                one.severity is Severity.ERROR
                and not any(kept.severity is Severity.ERROR for kept in self.findings)
            ):
                self.findings.append(one)

    def balance(self, found: Balance) -> None:
        """Take a balance."""
        self.balances.append(found)
        self._unit_seen.add(found.amount.currency.code)

    def entry(self, found: BankEntry) -> None:
        """Take an entry."""
        self.entries += 1
        self._last = found.amount
        self._unit_seen.add(found.amount.currency.code)
        if not found.booked:
            self._pending += 1
            return
        if found.amount.minor >= 0:
            self._in += found.amount.minor
            self._credit_count += 1
        else:
            self._out -= found.amount.minor
        if len(self._amounts) < _HINTED:
            self._amounts.append(found.amount.minor)

    def summary(self, *, what: str, said: int, got: int) -> None:
        """Take a total that the file states about itself."""
        if said != got:
            self.findings.append(error("summary-differs", f"{what}: the file says {said}, its entries {got}"))

    @property
    def booked(self) -> int:
        """Return how many entries are booked."""
        return self.entries - self._pending

    @property
    def credit_count(self) -> int:
        """Return how many booked entries are credits."""
        return self._credit_count

    @property
    def credits(self) -> int:
        """Return the sum of booked credits so far, minor units."""
        return self._in

    @property
    def debits(self) -> int:
        """Return the sum of booked debits so far, minor units, positive."""
        return self._out

    @property
    def unit(self) -> Currency | None:
        """Return the currency of the last entry, None before there is one."""
        return None if self._last is None else self._last.currency

    def _unit(self) -> Currency:
        known = [one.amount.currency for one in self.balances]
        if self._last is not None:
            known.append(self._last.currency)
        return known[0] if known else read_currency(self.head.currency, "")[0]

    def close(self) -> StatementClosed:
        """Return the statement's end: opening + entries = closing, in one currency, or quarantined with a reason."""
        opening, closing = self._ends()
        if self._pending:
            self.findings.append(
                warning("not-booked", f"{self._pending} entries are not booked and not part of the balance")
            )
        units = self._unit_seen - {NO_CURRENCY.code}
        if self.head.currency and self.head.currency != NO_CURRENCY.code:
            units.add(self.head.currency)
        if len(units) > 1:
            self.findings.append(
                error("several-currencies", f"one statement speaks of {', '.join(sorted(units))}")
            )
        elif self.head.has_balances:
            self._check_sum(opening, closing)
        if self.head.has_balances:
            self._check_dates()
        unit = self._unit()
        status, reason = verdict(self.findings, strict=self.strict)
        return StatementClosed(
            number=self.head.number,
            balances=tuple(self.balances),
            opening=opening,
            closing=closing,
            entries=self.entries,
            credits=Money(self._in, unit),
            debits=Money(self._out, unit),
            findings=tuple(self.findings),
            status=status,
            reason=reason,
        )

    def _ends(self) -> tuple[Money | None, Money | None]:
        """Return the balances the statement goes from and to. A page of a longer one may begin or end with ITBD."""
        by_kind = {kind: [one.amount for one in self.balances if one.kind is kind] for kind in _CHECKED}
        for kind, found in by_kind.items():
            if len(set(found)) > 1 and kind is not BalanceKind.INTERIM_BOOKED:
                self.findings.append(
                    error("several-balances", f"balance {kind.value} stands {len(found)} times, not the same")
                )
        opening = _first(by_kind[BalanceKind.OPENING_BOOKED])
        previous = _first(by_kind[BalanceKind.PREVIOUSLY_CLOSED])
        if opening is not None and previous is not None and opening != previous:
            self.findings.append(
                error("opening-differs", f"opens with {opening}, the statement before closed with {previous}")
            )
        opening = previous if opening is None else opening
        closing = _first(by_kind[BalanceKind.CLOSING_BOOKED])
        interim = by_kind[BalanceKind.INTERIM_BOOKED]
        if opening is None and interim:
            opening, interim = interim[0], interim[1:]
        if closing is None and interim:
            closing = interim[-1]
        return opening, closing

    def _check_sum(self, opening: Money | None, closing: Money | None) -> None:
        if opening is None:
            self.findings.append(error("no-opening-balance", "no booked balance to begin from"))
        if closing is None:
            self.findings.append(error("no-closing-balance", "no booked balance to end at"))
        if opening is None or closing is None or opening.currency != closing.currency:
            return
        came_to = opening.minor + self._in - self._out
        if came_to != closing.minor:
            difference = Money(closing.minor - came_to, opening.currency)
            hint = difference_hint(difference.minor, self._amounts)
            self.findings.append(
                error(
                    "does-not-balance",
                    f"opening {opening} and {self.entries} entries come to {Money(came_to, opening.currency)}, "
                    f"the closing balance is {closing}; the difference is {difference}"
                    + (f"; {hint}" if hint else ""),
                )
            )

    def _check_dates(self) -> None:
        begins = _dates(self.balances, _OPENINGS)
        ends = _dates(self.balances, (BalanceKind.CLOSING_BOOKED,))
        if begins and ends and ends[-1] < begins[0]:
            self.findings.append(
                warning("date-order", f"closes on {ends[-1]}, before it opens on {begins[0]}")
            )


_OPENINGS: Final = (BalanceKind.OPENING_BOOKED, BalanceKind.PREVIOUSLY_CLOSED)
_CHECKED: Final = (*_OPENINGS, BalanceKind.CLOSING_BOOKED, BalanceKind.INTERIM_BOOKED)


def _first(found: Sequence[Money]) -> Money | None:
    return found[0] if found else None


def _dates(balances: Iterable[Balance], kinds: tuple[BalanceKind, ...]) -> list[date]:
    return [one.on for one in balances if one.kind in kinds and one.on is not None]


@dataclass(slots=True)
class Chain:
    """The statements of one file in the order they stand there, and whether each begins where one ended."""

    strict: bool
    findings: list[Finding] = field(default_factory=list)
    statements: int = 0
    entries: int = 0
    _links: dict[tuple[str, str], list[tuple[int, int | None, int | None]]] = field(default_factory=dict)
    _seen: set[tuple[str, ...]] = field(default_factory=set)
    _bad: list[Finding] = field(default_factory=list)

    def add(self, head: StatementOpened, end: StatementClosed) -> None:
        """Take a statement that was read."""
        self.statements += 1
        self.entries += end.entries
        if end.status is Status.QUARANTINED:
            self._bad.append(
                error(end.reason, f"statement {head.number} is quarantined", f"statement {head.number}")
            )
        if not head.has_balances:
            return
        key = (head.account, head.statement, head.sequence, head.page)
        if head.statement and head.sequence.strip("0") and key in self._seen:
            self.findings.append(
                warning("statement-twice", f"statement {head.statement}/{head.sequence} stands twice")
            )
        self._seen.add(key)
        unit = end.credits.currency.code
        self._links.setdefault((head.account, unit), []).append(
            (
                head.number,
                None if end.opening is None else end.opening.minor,
                None if end.closing is None else end.closing.minor,
            )
        )

    def close(self) -> FileClosed:
        """Return the file's end; an account's statements that do not chain in any direction are an error."""
        for (account, _), links in self._links.items():
            broken = _breaks(links)
            if broken and not _breaks(links[::-1]):
                self.findings.append(
                    warning("newest-first", f"the statements of {account} stand newest first")
                )
                continue
            self.findings += [
                error(
                    "chain-broken",
                    f"opens with {opening}, the one before closed with {closed} (minor units)",
                    f"statement {number}",
                )
                for number, opening, closed in broken
            ]
        if not self.statements and not self.findings:
            self.findings.append(error("no-statement", "there is no statement in the file"))
        status, reason = verdict((*self.findings, *self._bad), strict=self.strict)
        return FileClosed(
            statements=self.statements,
            entries=self.entries,
            findings=tuple(self.findings),
            status=status,
            reason=reason,
        )


def _breaks(links: Sequence[tuple[int, int | None, int | None]]) -> list[tuple[int, int, int]]:
    return [
        (number, opening, closed)
        for (_, _, closed), (number, opening, _) in pairwise(links)
        if closed is not None and opening is not None and closed != opening
    ]
