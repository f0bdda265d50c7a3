"""From rows of right_specifications.csv to products: what is sold, stamped on a stay, or earned by a ride."""

from __future__ import annotations

from kernel.money import Money
from parking.rules.rate_files import currency_of, percent
from parking.rules.right import RIDE_FIELDS, RideCard, RideTiming, RightKind, RightSpecification
from parking.rules.rows import Row


def right(row: Row) -> RightSpecification:
    """Return the product of a row of right_specifications.csv."""
    money = currency_of(row)
    kind = row.choice("kind", RightKind.SEASON_PASS)
    _check_cut(row, kind)
    return RightSpecification(
        spec_id=row.needed("spec_id"),
        kind=kind,
        name=row.needed("name"),
        place_id=row.needed("place_id"),
        vehicle_class=row.text("vehicle_class"),
        price=Money(row.money("price", money), money),
        hours_from=row.clock("hours_from"),
        hours_to=row.clock("hours_to"),
        minutes=row.whole("minutes", 0),
        percent_millionths=percent(row, "percent"),
        table_id=row.text("table_id"),
        funder=row.text("funder"),
        decision=row.text("decision"),
        source=row.text("source"),
        ride_words=tuple(
            frozenset(f"{sort}:{each}" for each in row.text(name).split(";"))
            for name, sort in zip(RIDE_FIELDS, ("network", "operator", "route", "stop"), strict=False)
            if row.text(name)
        ),
        ride_timing=row.choice("ride_timing", RideTiming.SAME_DAY),
        ride_card=row.choice("ride_card", RideCard.SAME),
    )


def _check_cut(row: Row, kind: RightKind) -> None:
    """Note what park and ride lacks, and what only it has."""
    cuts = [name for name in ("minutes", "percent", "table_id") if row.text(name) not in {"", "0"}]
    if kind not in {RightKind.COUPON, RightKind.PARK_AND_RIDE}:
        for name in cuts:
            row.wrong(name, f"a {kind.value} takes nothing off a price: a coupon does")
    elif len(cuts) != 1:
        row.wrong(
            "percent", f"a {kind.value} takes minutes, a percent, or another table's price: one of them"
        )
    if kind is not RightKind.PARK_AND_RIDE:
        for name in RIDE_FIELDS:
            if row.text(name):
                row.wrong(name, "only park_and_ride asks for rides")
        return
    row.needed("funder")
    for name in ("price", "hours_from", "hours_to"):
        if row.text(name) not in {"", "0"}:
            row.wrong(name, "park_and_ride is not sold and has no hours")
