"""Riders from a CSV file, for pricing without a database: what each is, holds, owes, and where it parked."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from fare.gtfs.fact_rows import (
    amount_of,
    category_of,
    day_of,
    instant_of,
    not_there,
    read_facts,
    service_day_or_instant,
)
from fare.gtfs.table import Notice
from fare.rules.adjust import WAITS_FOREVER, product_on, usable_until
from fare.rules.facts import Entitlement, HeldPass, PurseMove
from fare.rules.tariff import PassProduct, Tariff, TariffBook
from kernel.ground import Ground, GroundKind
from kernel.ids import CardId, FareAccountId, uuid8

RIDER_COLUMNS: Final = (
    "rider", "category", "category_from", "category_to", "pass_product", "pass_scope", "pass_from", "pass_until",
    "debt_from", "debt_until", "money_at", "money_amount", "parked_at", "parked_from", "parked_until", "parked_by",
    "parked_card", "said_on_at", "said_stop", "said_off_at",
)  # fmt: skip
_GROUNDS: Final = {"": GroundKind.STAY, "stay": GroundKind.STAY, "right": GroundKind.RIGHT}


@dataclass(frozen=True, slots=True)
class Said:
    """The rider's word on a ride without its tap-off, named by the instant of its tap-on: where and when it ended."""

    row: int
    on_at: datetime
    stop_id: str
    left_at: datetime


@dataclass(frozen=True, slots=True)
class Rider:
    """What riders.csv says of one rider."""

    passes: tuple[HeldPass, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    in_debt: tuple[tuple[datetime, datetime], ...] = ()
    purse: tuple[PurseMove, ...] | None = None
    parked: tuple[Ground, ...] = ()
    said: tuple[Said, ...] = ()


def read_riders(
    text: str, book: TariffBook, file: str = "riders.csv"
) -> tuple[dict[str, Rider], tuple[Notice, ...]]:
    """Return what a CSV text says of riders, one row a fact: docs/tariff-authors.md lists them."""
    notices: list[Notice] = []
    riders: dict[str, Rider] = defaultdict(Rider)
    for number, row in read_facts(text, file, RIDER_COLUMNS, ("rider",), notices):
        known = riders[row["rider"]]
        passes, entitlements, debts, purse = known.passes, known.entitlements, known.in_debt, known.purse
        parked = known.parked
        if row["category"]:
            category = category_of(row["category"], book)
            start, end = day_of(row["category_from"]), day_of(row["category_to"])
            wrong = [
                (field, "invalid_date")
                for field, found in (("category_from", start), ("category_to", end))
                if row[field] and found is None
            ]
            if category is None:
                wrong.append(("category", "unexpected_enum_value"))
            if category is None or wrong:
                notices += [Notice(file, number, field, code, f"“{row[field]}”") for field, code in wrong]
                continue
            entitlements = (*entitlements, Entitlement(category, start or date.min, end))
        if row["pass_product"]:
            since = service_day_or_instant(row["pass_from"], book)
            until = service_day_or_instant(row["pass_until"], book)
            if row["pass_product"] not in book.passes:
                notices += not_there(
                    file, number, "pass_product", row["pass_product"], "passes.txt", book.passes
                )
                continue
            if since is not None and not row["pass_until"]:
                until = usable_until(_product(row, since, book), since, book)
            if since is None or until is None:
                field = "pass_from" if since is None else "pass_until"
                notices.append(Notice(file, number, field, "invalid_date", f"“{row[field]}”"))
                continue
            strange = _scope(row, number, file, _product(row, since, book), book.on(book.local_date(since)))
            if strange is not None:
                notices.append(strange)
                continue
            name = uuid8("pass-file", row["rider"], number)
            passes = (*passes, HeldPass(name, row["pass_product"], row["pass_scope"], since, until))
        if row["debt_from"]:
            since = instant_of(row["debt_from"], book)
            until = instant_of(row["debt_until"], book) if row["debt_until"] else WAITS_FOREVER
            if since is None or until is None:
                notices.append(Notice(file, number, "debt_from", "invalid_date", "a debt has its start"))
                continue
            debts = (*debts, (since, until))
        if row["money_at"]:
            moved, amount = instant_of(row["money_at"], book), amount_of(row["money_amount"], book)
            if moved is None or amount is None:
                field, code = (
                    ("money_at", "invalid_date")
                    if moved is None
                    else ("money_amount", "invalid_currency_amount")
                )
                notices.append(Notice(file, number, field, code, f"“{row[field]}”"))
                continue
            purse = (*(purse or ()), PurseMove(moved, amount))
        if row["parked_at"]:
            ground, field = _parked(row, number, book)
            if ground is None:
                code = "unexpected_enum_value" if field == "parked_by" else "invalid_date"
                notices.append(Notice(file, number, field, code, f"“{row[field]}”"))
                continue
            parked = (*parked, ground)
        said = known.said
        if row["said_on_at"]:
            on_at, left_at = instant_of(row["said_on_at"], book), instant_of(row["said_off_at"], book)
            if on_at is None or left_at is None or not row["said_stop"]:
                field = "said_on_at" if on_at is None else "said_off_at" if left_at is None else "said_stop"
                code = "missing_required_field" if field == "said_stop" else "invalid_date"
                notices.append(Notice(file, number, field, code, f"“{row[field]}”"))
                continue
            said = (*said, Said(number, on_at, row["said_stop"], left_at))
        riders[row["rider"]] = Rider(passes, entitlements, debts, purse, parked, said)
    return dict(riders), tuple(notices)


def _product(row: dict[str, str], since: datetime, book: TariffBook) -> PassProduct:
    product = product_on(book.passes[row["pass_product"]], book.local_date(since))
    assert product is not None, "a pass of the book has rows"
    return product


def _scope(
    row: dict[str, str], number: int, file: str, product: PassProduct, tariff: Tariff
) -> Notice | None:
    """Return what is wrong with the route or network that a pass is for, or None."""
    field, scope = "pass_scope", row["pass_scope"]
    if product.scope not in {"route", "network"}:
        detail = f"“{product.product_id}” is for all it covers, so none is chosen"
        return Notice(file, number, field, "forbidden_field", detail) if scope else None
    if not scope:
        detail = f"which {product.scope} is “{product.product_id}” for?"
        return Notice(file, number, field, "missing_required_field", detail)
    networks = {network for route in tariff.routes.values() for network in route.networks}
    known = tariff.routes if product.scope == "route" else networks
    return next(not_there(file, number, field, scope, f"the {product.scope}s", known), None)


def _parked(row: dict[str, str], number: int, book: TariffBook) -> tuple[Ground | None, str]:
    """Return a stay or right of a row, or None and the field that is wrong. An empty `parked_until`: still parked."""
    since = instant_of(row["parked_from"], book)
    until = instant_of(row["parked_until"], book) if row["parked_until"] else None
    kind = _GROUNDS.get(row["parked_by"])
    for field, wrong in (
        ("parked_from", since is None),
        (
            "parked_until",
            bool(row["parked_until"]) and (until is None or (since is not None and until < since)),
        ),
        ("parked_by", kind is None),
    ):
        if wrong:
            return None, field
    assert since is not None and kind is not None, "looked at above"  # noqa: PT018 one thought
    card = row["parked_card"] or row["rider"]
    ground = Ground(
        fare_account_id=FareAccountId(uuid8("rider-file", row["rider"])),
        kind=kind,
        ref=uuid8("parked-file", row["rider"], number),
        medium=CardId(uuid8("card-file", card)) if kind is GroundKind.STAY else None,
        since=since,
        until=until,
        words=frozenset(row["parked_at"].split(";")),
    )
    return ground, ""
