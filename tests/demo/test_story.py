"""How fast the demo's day runs: as fast as the machine showed that it can follow."""

import pytest
from rich.console import Console

from demo.story import DAY_RATE, EASY_S, Story


@pytest.mark.parametrize(
    ("prepared_s", "rate"),
    [(0.1, DAY_RATE), (EASY_S, DAY_RATE), (2 * EASY_S, DAY_RATE / 2), (10 * EASY_S, DAY_RATE / 10)],
)
def test_a_slow_machine_gets_a_slow_day(prepared_s, rate):
    assert Story(Console(), began=0.0, prepared_s=prepared_s).rate == rate
