"""The file of an outgoing scheme: cards, balances and passes with control totals; read and judged whole. Pure.

CSV in UTF-8 with a header; `record` says what a row is:

    card     number, category, last_used_on
    balance  number, amount
    pass     number, product, scope, valid_from, valid_until, amount (what is still unearned)
    control  category (card, balance or pass), amount (their sum), count

There is one control row for each of the three; a file whose counts or sums differ from them is refused whole.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from kernel.errors import DomainError
from kernel.money import VND, MalformedAmountError, Money
from kernel.wire.cardinfo import Concession

KINDS: Final = ("card", "balance", "pass")
COLUMNS: Final = (
    "record", "number", "category", "last_used_on", "product", "scope", "valid_from", "valid_until", "amount", "count",
)  # fmt: skip
_MOST_ERRORS: Final = 200


class LegacyFileError(DomainError):
    """The file cannot be taken on: `errors` names lines and totals; nothing was written."""

    detail = "The file has {count} errors; nothing was written."


@dataclass(frozen=True, slots=True)
class LegacyPass:
    """A pass of the outgoing scheme; `worth` is what the scheme still hands over for it."""

    product: str
    scope: str
    valid_from: date
    valid_until: date
    worth: Money
    line: int


@dataclass(slots=True)
class LegacyCard:
    """One card of the outgoing scheme with all that belongs to it."""

    number: str
    concession: Concession
    last_used_on: date | None
    balance: Money = field(default_factory=lambda: Money.zero(VND))
    passes: list[LegacyPass] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows of a kind, and what they come to."""

    count: int
    amount: Money


@dataclass(frozen=True, slots=True)
class LegacyFile:
    """A file that agrees with its control totals."""

    cards: tuple[LegacyCard, ...]
    totals: Mapping[str, Total]
    sha256: bytes


def read(content: bytes) -> LegacyFile:
    """Return the file's cards; LegacyFileError names everything that is wrong, all at once."""
    errors: list[dict[str, object]] = []
    cards: dict[str, LegacyCard] = {}
    found = {kind: Total(0, Money.zero(VND)) for kind in KINDS}
    controls: dict[str, Total] = {}
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            errors.append({"line": 1, "why": f"lacks the columns {', '.join(sorted(missing))}"})
        else:
            rows = [(line, row) for line, row in enumerate(reader, 2) if _whole(row, line, errors)]
    except (UnicodeDecodeError, csv.Error) as error:
        errors.append({"line": 0, "why": str(error)})
    # Cards first: a balance may stand before its card.
    for kinds in (("card",), ("balance", "pass", "control")):
        for line, row in rows:
            if row["record"] not in {*KINDS, "control"}:
                if kinds == ("card",):
                    errors.append({"line": line, "why": f"no such record: “{row['record']}”"})
            elif row["record"] in kinds:
                try:
                    _take(row, line, cards, found, controls)
                except (ValueError, TypeError, KeyError, MalformedAmountError) as error:
                    errors.append({"line": line, "why": str(error).strip("'\"")})
    errors += _against(found, controls)
    if errors:
        raise LegacyFileError(count=len(errors), errors=errors[:_MOST_ERRORS])
    return LegacyFile(tuple(cards.values()), found, hashlib.sha256(content).digest())


def _whole(row: Mapping[str | None, object], line: int, errors: list[dict[str, object]]) -> bool:
    """Say whether a row has a cell for every column, and no more; csv marks what lacks or exceeds with None."""
    if None in row or None in row.values():
        errors.append({"line": line, "why": "it has fewer or more cells than the header"})
        return False
    return True


def _take(
    row: Mapping[str, str],
    line: int,
    cards: dict[str, LegacyCard],
    found: dict[str, Total],
    controls: dict[str, Total],
) -> None:
    kind, number = row["record"], row["number"].strip()
    if kind == "control":
        if row["category"] not in KINDS or row["category"] in controls:
            raise ValueError(f"one control row each for {', '.join(KINDS)}")
        controls[row["category"]] = Total(int(row["count"]), _amount(row["amount"] or "0"))
        return
    amount = Money.zero(VND)
    if kind == "card":
        if not number or number in cards:
            raise ValueError("a card has a number of its own")
        if row["category"] not in Concession.__members__:
            raise ValueError(f"no such category: “{row['category']}”")
        last = date.fromisoformat(row["last_used_on"]) if row["last_used_on"] else None
        cards[number] = LegacyCard(number, Concession[row["category"]], last)
    else:
        card = cards.get(number)
        if card is None:
            raise ValueError("there is no card of this number")
        amount = _amount(row["amount"])
        if kind == "balance":
            if card.balance:
                raise ValueError("a second balance of this card")
            card.balance = amount
        else:
            since, until = date.fromisoformat(row["valid_from"]), date.fromisoformat(row["valid_until"])
            if not row["product"] or since > until:
                raise ValueError("a pass has a product, and begins before it ends")
            terms = (row["product"], row["scope"], since, until)
            if terms in ((one.product, one.scope, one.valid_from, one.valid_until) for one in card.passes):
                raise ValueError("the same pass twice")
            card.passes.append(LegacyPass(*terms, amount, line))
    before = found[kind]
    found[kind] = Total(before.count + 1, before.amount + amount)


def _amount(text: str) -> Money:
    amount = Money.parse(text.strip(), VND)
    if amount.minor < 0:
        raise ValueError("a negative amount")
    return amount


def _against(found: Mapping[str, Total], controls: Mapping[str, Total]) -> list[dict[str, object]]:
    wrong: list[dict[str, object]] = []
    for kind in KINDS:
        said = controls.get(kind)
        if said is None:
            wrong.append({"line": 0, "why": f"no control row for {kind}"})
        elif said != found[kind]:
            has = found[kind]
            wrong.append({
                "line": 0,
                "why": f"{kind}: {has.count} rows of {has.amount}, the control row says {said.count} of {said.amount}",
            })  # fmt: skip
    return wrong
