"""What a FeliCa token, which anyone can copy, may do: some rides a day, of an account that can pay them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.copyable import RIDES_AT, CopyLimits, CopyRefusal, refuse_copyable
from access.rules.device import DeviceKind

LIMITS = CopyLimits(taps_a_day=20, floor=20_000)


@pytest.mark.parametrize(
    ("device", "taps", "balance", "reason"),
    [
        (DeviceKind.BUS, 0, 20_000, None),
        (DeviceKind.METRO, 19, 20_000, None),
        (DeviceKind.BUS, 20, 20_000, CopyRefusal.TOO_OFTEN),
        (DeviceKind.BUS, 0, 19_999, CopyRefusal.BALANCE),
        (DeviceKind.BUS, 0, -1, CopyRefusal.BALANCE),
        (DeviceKind.BUS, 20, 0, CopyRefusal.TOO_OFTEN),
        (DeviceKind.PARKING, 0, 10**9, CopyRefusal.NOT_HERE),
        (DeviceKind.INSPECTOR, 0, 10**9, CopyRefusal.NOT_HERE),
        (DeviceKind.PARKING, 99, 0, CopyRefusal.NOT_HERE),
    ],
)
def test_a_copyable_token_is_let_through_where_little_is_lost(device, taps, balance, reason):
    assert refuse_copyable(device, taps=taps, balance=balance, limits=LIMITS) is reason


@given(st.sampled_from(DeviceKind), st.integers(0, 99), st.integers(-(10**6), 10**6), st.integers(0, 30))
def test_a_copy_never_gets_more_than_the_limits(device, taps, balance, most):
    limits = CopyLimits(taps_a_day=most, floor=20_000)
    if refuse_copyable(device, taps=taps, balance=balance, limits=limits) is None:
        assert device in RIDES_AT
        assert taps < most
        assert balance >= limits.floor
