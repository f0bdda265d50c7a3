"""What a person reads when parking refuses."""

import pickle

import pytest

from parking.rules.errors import ImpossibleTimesError


@pytest.mark.parametrize(
    ("entered_at", "left_at", "says"),
    [
        ("09:00", "08:00", "A stay from 09:00 to 08:00 is impossible: x."),
        ("09:00", None, "A stay from 09:00 is impossible: x."),
        (None, "08:00", "A stay until 08:00 is impossible: x."),
    ],
)
def test_times_that_nobody_gave_are_not_named(entered_at, left_at, says):
    error = ImpossibleTimesError(entered_at=entered_at, left_at=left_at, reason="x")
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == says
    assert error.fields == {"entered_at": entered_at, "left_at": left_at, "reason": "x"}
