"""An operator's terms as dated data: where it is paid, what the scheme keeps, and who shares in its revenue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from kernel.errors import DomainError
from kernel.ids import OperatorId
from kernel.money import Money, Rounding
from ledger.rules.errors import BadSettleLineError
from ledger.rules.settlement import SettleLine, blank_line

EVERY: Final = "*"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9]{1,34}", re.ASCII)
_BANK: Final = re.compile(r"[0-9]{6}", re.ASCII)
_BIC: Final = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)


class BadTermsError(DomainError):
    """Terms that cannot be."""

    detail = "The terms of {operator}: {field} cannot be “{value}”: {why}."


class TermsOnePersonError(DomainError):
    """The same person proposed the terms and signs them."""

    detail = "{person} proposed these terms and cannot sign them."


class TermsStateError(DomainError):
    """The terms were signed or refused before."""

    detail = "Version {version} of the terms of {operator} is {state}."


class UnknownTermsError(DomainError):
    """There are no such terms."""

    detail = "There is no version {version} of the terms of {operator}."


class NoTermsError(DomainError):
    """An operator that is to be paid has no terms in force: nobody said where."""

    detail = "{operator} has no signed terms for {day}: its account is not known."


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`to` gets so many thousandths of what a house's route or place takes; `route` “*” is every one."""

    house: str
    route: str
    to: OperatorId
    per_mille: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for an operator from a day on, until later terms hold."""

    operator_id: OperatorId
    valid_from: date
    name: str
    account: str
    bank: str
    bic: str = ""
    fee_basis_points: int = 0
    fee_per_trip: int = 0
    shares: tuple[Share, ...] = ()

    def __post_init__(self) -> None:
        self._require(
            _NAME.fullmatch(self.operator_id), "operator", self.operator_id, "small letters, digits, dashes"
        )
        self._require(
            1 <= len(self.name.strip()) <= 140 and self.name.isprintable(),
            "name",
            self.name,
            "1 to 140 letters",
        )
        self._require(_ACCOUNT.fullmatch(self.account), "account", self.account, "1 to 34 letters or digits")
        self._require(_BANK.fullmatch(self.bank), "bank", self.bank, "the six digits of its BIN")
        self._require(not self.bic or _BIC.fullmatch(self.bic), "bic", self.bic, "8 or 11 letters and digits")
        self._require(
            0 <= self.fee_basis_points <= 10_000,
            "fee",
            str(self.fee_basis_points),
            "0 to 10,000 basis points",
        )
        self._require(
            0 <= self.fee_per_trip <= 10**9, "fee per trip", str(self.fee_per_trip), "not less than nothing"
        )
        places: dict[tuple[str, str], int] = {}
        for one in self.shares:
            self._require(one.house and one.route, "share", one.to, "it names a house and a route, or *")
            self._require(_NAME.fullmatch(one.to), "share", one.to, "small letters, digits, dashes")
            self._require(one.to != self.operator_id, "share", one.to, "it is the operator's own")
            self._require(0 < one.per_mille <= 1_000, "share", str(one.per_mille), "1 to 1,000 thousandths")
            places[one.house, one.route] = places.get((one.house, one.route), 0) + one.per_mille
        for (house, route), sum_ in places.items():
            whole = sum_ + (places.get((house, EVERY), 0) if route != EVERY else 0)
            self._require(whole <= 1_000, "share", route, "more than the whole is shared")

    def _require(self, holds: object, field: str, value: str, why: str) -> None:
        if not holds:
            raise BadTermsError(operator=self.operator_id, field=field, value=value, why=why)


@dataclass(frozen=True, slots=True)
class SharePart:
    """What one line's payer gives one other of it; negative where a refund takes it back."""

    line: SettleLine
    to: OperatorId
    per_mille: int
    amount: Money


def share_parts(lines: Iterable[SettleLine], terms: Mapping[OperatorId, Terms]) -> tuple[SharePart, ...]:
    """Return who gets what of which line: thousandths of charges less refunds, rounded down from zero."""
    found = []
    for line in lines:
        known = terms.get(line.operator_id)
        for one in known.shares if known else ():
            if one.house == line.house and one.route in {EVERY, line.route_id}:
                part = line.base.share(one.per_mille, 1_000, Rounding.DOWN)
                if part:
                    found.append(SharePart(line, one.to, one.per_mille, part))
    return tuple(found)


def apply_terms(lines: Iterable[SettleLine], terms: Mapping[OperatorId, Terms]) -> tuple[SettleLine, ...]:
    """Return a day's lines with fees and shares in them, and a line more for each who gets a share.

    Shares and the proportional fee are reckoned from a line's charges less refunds, line by line, rounded down by
    distance from zero, so that a refund gives back what the charge took. What is shared sums to zero over all lines.
    BadSettleLineError when two lines are about the same.
    """
    given = tuple(lines)
    made = {_place(line): _charged(line, terms) for line in given}
    if len(made) < len(given):
        raise BadSettleLineError(line=f"one of {len(given)}", why="it stands twice")
    for part in share_parts(given, terms):
        payer = made[_place(part.line)]
        made[_place(part.line)] = replace(payer, shared=payer.shared - part.amount)
        of = part.line
        blank = blank_line(of.house, part.to, of.mode, of.route_id, of.service_day, part.amount.currency)
        payee = made.get(_place(blank), blank)
        made[_place(blank)] = replace(payee, shared=payee.shared + part.amount)
    return tuple(made[place] for place in sorted(made))


def _charged(line: SettleLine, terms: Mapping[OperatorId, Terms]) -> SettleLine:
    known = terms.get(line.operator_id)
    if known is None:
        return line
    fee = line.base.share(known.fee_basis_points, 10_000, Rounding.DOWN)
    return replace(line, fees=fee + Money(known.fee_per_trip * line.trips, fee.currency))


def _place(line: SettleLine) -> tuple[str, OperatorId, str, str, date]:
    return line.house, line.operator_id, line.mode, line.route_id, line.service_day
