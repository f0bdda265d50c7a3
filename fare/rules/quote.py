"""What one leg may cost: the offers of the leg rules, of the published matrix, or of the distance formula."""

from dataclasses import dataclass
from datetime import datetime
from itertools import product as pairs

from fare.rules.distance import distance_offer, own_categories, rounded
from fare.rules.match import NO_AREAS, UNPLACED
from fare.rules.tariff import Tariff
from fare.rules.terms import Action, Closing, Offer, Route


@dataclass(frozen=True, slots=True)
class Quote:
    """The offers for a leg, cheapest first (each leg group once), or why there is none.

    `counts` is False where the charge stays outside caps.
    """

    offers: tuple[Offer, ...]
    reason: str = ""
    counts: bool = True


def quote_leg(
    tariff: Tariff,
    route: Route,
    *,
    from_stop: str,
    to_stop: str,
    networks: frozenset[str],
    departed: datetime,
    arrived: datetime | None,
    medium: str,
    categories: tuple[int, ...],
) -> Quote:
    """Return what a leg may be charged, before transfers, concessions, passes and caps.

    `to_stop` is empty where boarding settles the fare. `networks` are those of all joined legs.
    No matching rule gives no offer and a reason: the fare is unknown, never zero.
    """
    measured = route.route_id if not networks.isdisjoint(tariff.measured) else ""
    pair = (from_stop, to_stop) if measured else ()
    if tariff.places_and_times_do_not_matter:
        from_areas = to_areas = from_frames = to_frames = NO_AREAS
        key: tuple[object, ...] = (networks, measured, pair, medium, categories)
    else:
        from_areas, to_areas = _areas_of(tariff, from_stop), _areas_of(tariff, to_stop)
        from_frames, to_frames = tariff.frames_at(departed, from_stop), tariff.frames_at(arrived, to_stop)
        key = (networks, measured, pair, medium, categories, from_areas, to_areas, from_frames, to_frames)
    found = tariff.memo.get(key)
    if found is None:
        quote = _quote(
            tariff,
            networks,
            from_areas,
            to_areas,
            measured,
            from_stop,
            to_stop,
            medium,
            categories,
            from_frames,
            to_frames,
        )
        found = tariff.remember(key, quote)
    assert isinstance(found, Quote), "the memo of legs holds quotes"
    return found


def _areas_of(tariff: Tariff, stop_id: str) -> frozenset[str]:
    known = tariff.areas_of_stop.get(stop_id)
    if known is not None:
        return known
    return UNPLACED if stop_id and tariff.areas_of_stop else NO_AREAS


def _quote(
    tariff: Tariff,
    networks: frozenset[str],
    from_areas: frozenset[str],
    to_areas: frozenset[str],
    measured: str,
    from_stop: str,
    to_stop: str,
    medium: str,
    categories: tuple[int, ...],
    from_frames: frozenset[str],
    to_frames: frozenset[str],
) -> Quote:
    if UNPLACED in {from_areas, to_areas} and tariff.legs.ask_places(networks):
        return Quote((), "unknown_stop")
    matched = tariff.legs.match(networks, from_areas, to_areas, from_frames, to_frames)
    offers: list[Offer] = []
    for rule in matched.won:
        minor = price_of(tariff, rule.product_id, medium, categories)
        if minor is not None:
            offers.append(Offer(rule.leg_group, rule.product_id, minor, rule.rule))
    strange = measured and tariff.stop_names and not {from_stop, to_stop} <= {"", *tariff.stop_names}
    reason = "no_product_for_medium" if matched.won else "unknown_stop" if strange else "no_leg_rule"
    if measured and len(networks) == 1:
        priced = distance_offer(
            tariff, next(iter(networks)), measured, from_stop, to_stop, medium, categories, from_frames
        )
        if priced is not None:
            offers.append(priced)
    best: dict[str, Offer] = {}
    for offer in sorted(offers, key=lambda one: (one.minor, one.leg_group, one.product_id, one.rule)):
        best.setdefault(offer.leg_group, offer)
    return Quote(tuple(best.values()), "" if best else reason)


def price_of(tariff: Tariff, product_id: str, medium: str, categories: tuple[int, ...]) -> int | None:
    """Return a product's cheapest price in minor units for a rider and medium, or None where it has none.

    Rows for one of the rider's own categories, or for any, come first; else those of the default category.
    """
    rows = [row for row in tariff.products.get(product_id, ()) if row.medium in {"", medium}]
    own = own_categories(tariff, categories)
    fitting = [row for row in rows if row.category in own] or [
        row for row in rows if row.category in {"", tariff.default_category}
    ]
    if not fitting:
        return None
    return rounded(tariff, min(row.minor for row in fitting), medium)


def quote_closing(
    tariff: Tariff,
    route: Route,
    closing: Closing,
    *,
    stop: str,
    departed: datetime,
    medium: str,
    categories: tuple[int, ...],
    ends_here: bool = False,
) -> Quote:
    """Return what an odd ride costs by its closing rule: one offer, or none and the reason.

    Maximum, farthest and cheapest range over every fare of the route's network on that medium; the last two
    begin at `stop`, or end there where the tap-on is what is missing (`ends_here`).
    """
    match closing.action:
        case Action.FREE:
            return Quote((Offer("", "", 0, closing.rule),))
        case Action.APART:
            return Quote((), "no_rule_for_over_long")
        case Action.PRODUCT:
            minor = price_of(tariff, closing.product_id, medium, categories)
            if minor is None:
                return Quote((), "no_product_for_medium")
            return Quote((Offer("", closing.product_id, minor, closing.rule),))
        case Action.BOARDING:
            return quote_leg(
                tariff, route, from_stop=stop, to_stop="", networks=route.networks, departed=departed, arrived=None,
                medium=medium, categories=categories,
            )  # fmt: skip
        case Action.MAXIMUM | Action.FARTHEST | Action.CHEAPEST:
            frames = tariff.frames_at(departed, stop)
            anywhere = closing.action is Action.MAXIMUM
            ends = ("", "") if anywhere else ("", stop) if ends_here else (stop, "")
            key = (closing, route.route_id, ends, medium, categories, frames)
            found = tariff.memo.get(key)
            if found is None:
                quote = _extreme(tariff, route, closing, ends, departed, medium, categories)
                found = tariff.remember(key, quote)
            assert isinstance(found, Quote), "the memo of closings holds quotes"
            return found


def _extreme(
    tariff: Tariff,
    route: Route,
    closing: Closing,
    ends: tuple[str, str],
    departed: datetime,
    medium: str,
    categories: tuple[int, ...],
) -> Quote:
    """Return the dearest or cheapest of all fares of a route's network between `ends`: matrix, distances and rules."""
    offers: list[Offer] = []
    only_from, only_to = ends
    frames = tariff.frames_at(departed, only_from)
    for network in route.networks:
        pairs_known = (*tariff.matrix.get(network, {}), *tariff.distances_m.get(network, {}))
        listed = {stop for pair in pairs_known for stop in pair}
        places = sorted({*tariff.positions_m.get(route.route_id, {}), *listed})
        for start, end in pairs((only_from,) if only_from else places, (only_to,) if only_to else places):
            offer = None
            if start != end:
                offer = distance_offer(
                    tariff, network, route.route_id, start, end, medium, categories, frames
                )
            if offer is not None:
                offers.append(offer)
    if tariff.legs.rules:
        # One stop stands for every other with the same areas, and so may pair with itself.
        one_each = {areas: stop for stop, areas in sorted(tariff.areas_of_stop.items(), reverse=True)}
        stops = ("", *sorted(one_each.values()))
        for start, end in pairs((only_from,) if only_from else stops, (only_to,) if only_to else stops):
            offers += quote_leg(
                tariff, route, from_stop=start, to_stop=end, networks=route.networks, departed=departed,
                arrived=departed, medium=medium, categories=categories,
            ).offers[:1]  # fmt: skip
    if not offers:
        return Quote((), "no_leg_rule")
    offers.sort(key=lambda one: (one.minor, one.leg_group, one.product_id))
    chosen = offers[0] if closing.action is Action.CHEAPEST else offers[-1]
    return Quote((Offer(chosen.leg_group, chosen.product_id, chosen.minor, closing.rule),))
