"""Which leg rules a leg matches, with and without rule_priority."""

from fare.rules.match import LegIndex, LegRule

NONE = frozenset()


def rule(product: str, network="", start="", end="", priority=0, from_frame="", to_frame="") -> LegRule:
    return LegRule(product, network, start, end, from_frame, to_frame, product, priority, product)


def won(index: LegIndex, network="", start=(), end=(), frames=(NONE, NONE)) -> set[str]:
    networks = frozenset({network} if network else ())
    found = index.match(networks, frozenset(start), frozenset(end), *(frozenset(one) for one in frames))
    return {one.product_id for one in found.won}


def test_exact_leg_rule_comes_before_empty_cells():
    index = LegIndex([rule("exact", "bus", "A", "B"), rule("any")], by_priority=False)
    assert won(index, "bus", "A", "B") == {"exact"}
    assert won(index, "tram", "C", "D") == {"any"}


def test_empty_cell_means_every_value_not_listed_in_its_column():
    index = LegIndex([rule("listed", "bus", "A", "B"), rule("rest", "bus")], by_priority=False)
    assert won(index, "bus", "A", "C") == set()  # A is listed, so the empty from-area does not mean it
    assert won(index, "bus", "C", "B") == set()
    assert won(index, "bus", "C", "D") == {"rest"}
    assert won(index, "bus") == {"rest"}
    assert won(index, "bus", ("A", "C"), ("D",)) == {"rest"}  # a stop in a listed and an unlisted area


def test_unlisted_network_takes_the_empty_network_and_a_listed_one_does_not():
    index = LegIndex([rule("bus", "bus"), rule("other")], by_priority=False)
    assert won(index, "bus") == {"bus"}
    assert won(index, "tram") == {"other"}


def test_with_priorities_empty_does_not_matter_highest_wins_and_ties_are_all_offers():
    index = LegIndex(
        [rule("low"), rule("high", "bus", priority=5), rule("tie", "", "A", priority=5)], by_priority=True
    )
    assert won(index, "bus", "B") == {"high"}
    assert won(index, "bus", "A") == {"high", "tie"}
    assert won(index, "tram", "B") == {"low"}  # an empty priority is 0


def test_empty_timeframe_does_not_matter_and_a_named_one_must_hold():
    index = LegIndex([rule("peak", "bus", from_frame="peak"), rule("any", "bus")], by_priority=False)
    assert won(index, "bus", frames=(["peak"], [])) == {"peak", "any"}
    assert won(index, "bus") == {"any"}


def test_stop_in_several_areas_matches_rules_of_each():
    index = LegIndex([rule("ab", "bus", "A", "B"), rule("cb", "bus", "C", "B")], by_priority=False)
    assert won(index, "bus", ("A", "C"), ("B",)) == {"ab", "cb"}


def test_joined_legs_match_a_network_only_when_all_are_in_it():
    index = LegIndex([rule("bus", "bus", priority=1), rule("any")], by_priority=True)
    both = index.match(frozenset({"bus", "tram"}), NONE, NONE, NONE, NONE)
    assert [one.product_id for one in both.won] == ["any"]
