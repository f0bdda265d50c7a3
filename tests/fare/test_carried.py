"""Summaries as earlier versions of the programs wrote them are read, and mean what they meant."""

import pytest

from fare.rules.carried import Carried, TransferRun

TIMES = {"first_departed_us": 1_000, "first_arrived_us": None}


@pytest.mark.parametrize(
    ("written", "transferred"),
    [
        ({"first_leg_group": "A", "last_leg_group": "A", "count": 0, "total_minor": 200, "last_minor": 200}, False),
        ({"first_leg_group": "A", "last_leg_group": "A", "count": 1, "total_minor": 200, "last_minor": 200}, True),
        ({"first_leg_group": "A", "last_leg_group": "B", "count": 0, "total_minor": 200, "last_minor": 200}, True),
        ({"first_leg_group": "A", "last_leg_group": "A", "count": 0, "total_minor": 500, "last_minor": 300}, True),
    ],
)  # fmt: skip
def test_a_run_of_the_first_summaries_is_read(written, transferred):
    (run,) = (Carried.from_json({"run": {**TIMES, **written, "product_minor": 200}}).run,)
    assert run == TransferRun(
        written["first_leg_group"],
        written["last_leg_group"],
        1_000,
        None,
        written["count"],
        written["total_minor"],
        transferred,
    )
    again = Carried(run=run).to_json()
    assert Carried.from_json(again).run == run
    assert "last_minor" not in again["run"]
