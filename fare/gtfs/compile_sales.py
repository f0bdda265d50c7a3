"""What the tariff's files say about selling, as values."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from fare.gtfs.table import Feed
from fare.rules.sales import CorrectionRule, EarnedBy, PassTerms, RefundRule, SaleRules, SharedBy
from kernel.money import Currency, Money, Rounding


def sale_rules(feed: Feed, money: Currency, minor: Callable[[Decimal | None], int]) -> SaleRules:
    """Return the rules of pass_terms.txt and ride_corrections.txt, whatever their dates."""
    terms: dict[str, list[PassTerms]] = defaultdict(list)
    for row in feed.of("pass_terms.txt"):
        terms[row.text("pass_product_id")].append(
            PassTerms(
                row.text("pass_product_id"),
                RefundRule(row.text("refund")),
                Money(minor(row.decimal("fee_amount")), money),
                Rounding(row.text("rounding") or "down"),
                EarnedBy(row.text("earned_by")),
                SharedBy(row.text("shared_by") or "face_value"),
                row.whole("group_least") or 0,
                row.valid_from,
                row.valid_to,
                row.where,
                row.text("status"),
                row.text("seller"),
            )
        )
    return SaleRules(
        {name: tuple(rows) for name, rows in terms.items()},
        tuple(
            CorrectionRule(
                row.text("network_id"),
                row.whole("per_month") or 0,
                row.whole("window_days") or 0,
                row.valid_from,
                row.valid_to,
                row.where,
                row.text("status"),
            )
            for row in feed.of("ride_corrections.txt")
        ),
        {
            row.text("route_id"): int(length * 1_000)
            for row in feed.of("route_lengths.txt")
            if (length := row.decimal("length_km")) is not None
        },
    )
