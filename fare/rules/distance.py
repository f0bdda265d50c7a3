"""What a distance costs: the published matrix of stop pairs, then bands, then the formula; and how long a ride is."""

from fare.rules.tariff import Tariff
from fare.rules.terms import MatrixPrice, Offer
from fare.rules.timeframe import NO_GROUPS
from kernel.money import Money


def rounded(tariff: Tariff, minor: int, medium: str) -> int:
    """Return an amount as the medium can pay it (cash_rounding.txt), unchanged for the others."""
    step = tariff.rounding.get(medium)
    if step is None:
        return minor
    return Money(minor, tariff.currency).rounded_to(step[0], step[1]).minor


def own_categories(tariff: Tariff, categories: tuple[int, ...]) -> frozenset[str]:
    """Return the rider's categories as the tariff's files name them."""
    known = tariff.category_ids
    return frozenset(known[one] for one in categories if one in known)


def metres_between(
    tariff: Tariff, networks: frozenset[str], route_id: str, from_stop: str, to_stop: str
) -> int | None:
    """Return the length of a ride: of the published pair of stops, else along the route, else None."""
    for network in networks:
        published = tariff.distances_m.get(network, {}).get((from_stop, to_stop))
        if published is not None:
            return published
    places = tariff.positions_m.get(route_id, {})
    start, end = places.get(from_stop), places.get(to_stop)
    return None if start is None or end is None else abs(end - start)


def distance_offer(
    tariff: Tariff,
    network: str,
    route_id: str,
    from_stop: str,
    to_stop: str,
    medium: str,
    categories: tuple[int, ...] = (),
    frames: frozenset[str] = NO_GROUPS,
) -> Offer | None:
    """Return the published matrix's offer for a pair of stops, else what its distance costs, else None."""
    published = tariff.matrix.get(network, {}).get((from_stop, to_stop))
    if published is not None:
        found = _published(tariff, published, medium, categories, frames)
        if found is not None:
            return found
    metres = metres_between(tariff, frozenset({network}), route_id, from_stop, to_stop)
    return None if metres is None else offer_for(tariff, network, metres, medium, categories, frames)


def offer_for(
    tariff: Tariff,
    network: str,
    metres: int,
    medium: str,
    categories: tuple[int, ...],
    frames: frozenset[str],
) -> Offer | None:
    """Return what so many metres cost on a network: by its bands, else by its formula, else None.

    Prices of one of the timeframes `frames` come before those of any time.
    """
    bands = tariff.bands.get(network)
    if bands is not None:
        own = own_categories(tariff, categories)
        for wanted in (own, frozenset({"", tariff.default_category})):
            fitting = [
                band
                for band in bands
                if band.category in wanted
                and band.medium in {"", medium}
                and (not band.timeframe or band.timeframe in frames)
                and (band.up_to_m is None or metres <= band.up_to_m)
            ]
            if fitting:
                nearest = min(
                    fitting,
                    key=lambda one: (
                        not one.timeframe,
                        one.up_to_m is None,
                        one.up_to_m or 0,
                        one.medium == "",
                    ),
                )
                offer = nearest.offer
                minor = offer.minor if nearest.medium else rounded(tariff, offer.minor, medium)
                return Offer(offer.leg_group, offer.product_id, minor, offer.rule)
        return None
    formula = next(
        (one for one in tariff.formulas.get(network, ()) if not one.timeframe or one.timeframe in frames),
        None,
    )
    if formula is None:
        return None
    minor = rounded(tariff, formula.minor_for(metres), medium)
    return Offer(formula.leg_group, formula.product_id, minor, formula.rule)


def _published(
    tariff: Tariff,
    rows: tuple[MatrixPrice, ...],
    medium: str,
    categories: tuple[int, ...],
    frames: frozenset[str],
) -> Offer | None:
    own = own_categories(tariff, categories)
    ordered = sorted(rows, key=lambda one: not one.timeframe)
    for wanted in (own, frozenset({"", tariff.default_category})):
        for row_medium in (medium, ""):
            for row in ordered:
                if row.timeframe and row.timeframe not in frames:
                    continue
                if row.medium == row_medium and row.category in wanted:
                    offer = row.offer
                    minor = offer.minor if row_medium else rounded(tariff, offer.minor, medium)
                    return Offer(offer.leg_group, offer.product_id, minor, offer.rule)
    return None
