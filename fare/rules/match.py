"""Which leg rules a leg matches, by GTFS-Fares v2 with and without rule_priority."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_ANY: Final = ("",)
NO_AREAS: Final[frozenset[str]] = frozenset()
UNPLACED: Final = frozenset({"\0"})
"""The areas of a stop that the tariff does not know, which may be any."""


@dataclass(frozen=True, slots=True)
class LegRule:
    """One row of fare_leg_rules.txt; empty texts are empty cells."""

    leg_group: str
    network: str
    from_area: str
    to_area: str
    from_frame: str
    to_frame: str
    product_id: str
    priority: int
    rule: str


@dataclass(frozen=True, slots=True)
class Matched:
    """The rules a leg matches, and those that stood for it and lost, with why."""

    won: tuple[LegRule, ...]
    lost: tuple[tuple[LegRule, str], ...]


class LegIndex:
    """Leg rules by (network, from-area, to-area), so that a look-up costs the same however many there are."""

    __slots__ = ("_rules", "by_priority", "from_listed", "networks_listed", "rules", "to_listed")

    def __init__(self, rules: Iterable[LegRule], *, by_priority: bool) -> None:
        self.rules = tuple(rules)
        self.by_priority = by_priority
        index: dict[tuple[str, str, str], list[LegRule]] = defaultdict(list)
        for rule in self.rules:
            index[rule.network, rule.from_area, rule.to_area].append(rule)
        self._rules = dict(index)
        self.networks_listed = frozenset(rule.network for rule in self.rules if rule.network)
        self.from_listed = frozenset(rule.from_area for rule in self.rules if rule.from_area)
        self.to_listed = frozenset(rule.to_area for rule in self.rules if rule.to_area)

    def ask_places(self, networks: frozenset[str]) -> bool:
        """Whether any rule for a leg on these networks asks for an area."""
        return any(
            (rule.from_area or rule.to_area) and (not rule.network or networks <= {rule.network})
            for rule in self.rules
        )

    def match(
        self,
        networks: frozenset[str],
        from_areas: frozenset[str],
        to_areas: frozenset[str],
        from_frames: frozenset[str],
        to_frames: frozenset[str],
    ) -> Matched:
        """Return the leg rules that price a leg.

        `networks` are those of all joined legs: a rule with a network needs it to be the only one. With a
        rule_priority column an empty cell does not matter and the highest priority wins, ties together.
        Without it, rules with all three cells filled come first; only where none matches, an empty cell
        stands for every value that its column does not list (a stop in no area counts as unlisted).
        An empty timeframe never matters.
        """
        network = next(iter(networks)) if len(networks) == 1 else ""
        standing = [
            rule
            for named in ((network, "") if network else _ANY)
            for start in (*sorted(from_areas), "")
            for end in (*sorted(to_areas), "")
            for rule in self._rules.get((named, start, end), ())
            if (not rule.from_frame or rule.from_frame in from_frames)
            and (not rule.to_frame or rule.to_frame in to_frames)
        ]
        if self.by_priority:
            top = max((rule.priority for rule in standing), default=0)
            won = tuple(rule for rule in standing if rule.priority == top)
            return Matched(won, tuple((rule, "lower_priority") for rule in standing if rule.priority != top))
        exact = tuple(rule for rule in standing if rule.network and rule.from_area and rule.to_area)
        if exact:
            return Matched(exact, tuple((rule, "not_exact") for rule in standing if rule not in exact))
        won_list: list[LegRule] = []
        lost: list[tuple[LegRule, str]] = []
        for rule in standing:
            if (
                (rule.network or not (networks & self.networks_listed))
                and (rule.from_area or not from_areas or from_areas - self.from_listed)
                and (rule.to_area or not to_areas or to_areas - self.to_listed)
            ):
                won_list.append(rule)
            else:
                lost.append((rule, "value_listed_elsewhere"))
        return Matched(tuple(won_list), tuple(lost))
