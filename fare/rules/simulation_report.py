"""What a simulation says, as one JSON document; every number is there for both tariffs, with its difference."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any, Final

from fare.rules.patterns import NAMES
from fare.rules.simulation import MEASURES, SIDES, Cells, Tally, spread
from fare.rules.tariff import TariffBook

DIMENSIONS: Final = ("operator", "route", "category")


def report(
    tally: Tally, books: tuple[TariffBook, TariffBook], *, first: str, last: str, percent: int
) -> dict[str, Any]:
    """Return the report of a simulation over the service days `first` to `last`; amounts in minor units."""
    current, draft = books
    riders = spread(tally.riders)
    return {
        "current": {"tariff_version": current.version, "sha256": current.sha256},
        "draft": {"tariff_version": draft.version, "sha256": draft.sha256},
        "from": first,
        "to": last,
        "percent_of_accounts": percent,
        "currency": draft.currency.code,
        "taps": tally.taps,
        "accounts": len(tally.riders),
        "totals": _measures((_sum(tally.cells[0]), _sum(tally.cells[1]))),
        "by": {name: _by(tally, place) for place, name in enumerate(DIMENSIONS)},
        "subsidy": [
            {"key": funder, **_both(*(side.get(funder, 0) for side in tally.funders))}
            for funder in sorted(tally.funders[0].keys() | tally.funders[1].keys())
        ],
        "riders": {
            "winners": riders.winners,
            "same": riders.same,
            "losers": riders.losers,
            "percentiles": [{"percent": at, "change_minor": change} for at, change in riders.percentiles],
            "by_spending": [
                {"tenth": place, "riders": count, **_both(one, two)}
                for place, (count, one, two) in enumerate(riders.by_spending, 1)
            ],
        },
        "patterns": [
            {
                "pattern": name,
                "vi": NAMES[name][0],
                "en": NAMES[name][1],
                "cases": pattern.cases,
                "accounts": pattern.accounts,
                "saved_minor": pattern.saved_minor,
                "examples": [asdict(case) for case in pattern.examples],
            }
            for name, pattern in tally.patterns.items()
        ],
    }


def _both(current: int, draft: int) -> dict[str, int]:
    return {SIDES[0]: current, SIDES[1]: draft, "difference": draft - current}


def _measures(sides: tuple[list[int], list[int]]) -> dict[str, dict[str, int]]:
    return {name: _both(sides[0][place], sides[1][place]) for place, name in enumerate(MEASURES)}


def _sum(cells: Cells) -> list[int]:
    return [sum(cell[place] for cell in cells.values()) for place in range(len(MEASURES))]


def _by(tally: Tally, place: int) -> list[dict[str, Any]]:
    keyed: tuple[Cells, ...] = (defaultdict(_none), defaultdict(_none))
    for sums, cells in zip(keyed, tally.cells, strict=True):
        for key, cell in cells.items():
            name = (key[place], "", "")
            sums[name] = [one + two for one, two in zip(sums[name], cell, strict=True)]
    return [
        {"key": name[0], **_measures((keyed[0][name], keyed[1][name]))}
        for name in sorted(keyed[0].keys() | keyed[1].keys())
    ]


def _none() -> list[int]:
    return [0] * len(MEASURES)
