from datetime import date

import pytest

from access.rules import device, medium
from access.rules.device import DeviceEvent, DeviceState, DeviceTransitionError, next_device_state
from access.rules.medium import MediumEvent, MediumState, MediumTransitionError, expired, next_medium_state


def test_every_device_step_is_in_the_table_or_refused():
    for state in DeviceState:
        for event in DeviceEvent:
            if event in device.TRANSITIONS[state]:
                assert next_device_state(state, event) in DeviceState
            else:
                with pytest.raises(DeviceTransitionError):
                    next_device_state(state, event)


def test_retired_devices_and_replaced_cards_stay_so():
    assert device.TRANSITIONS[DeviceState.RETIRED] == {}
    assert medium.TRANSITIONS[MediumState.REPLACED] == medium.TRANSITIONS[MediumState.RETIRED] == {}


def test_every_medium_step_is_in_the_table_or_refused():
    for state in MediumState:
        for event in MediumEvent:
            if event in medium.TRANSITIONS[state]:
                assert next_medium_state(state, event) in MediumState
            else:
                with pytest.raises(MediumTransitionError):
                    next_medium_state(state, event)


@pytest.mark.parametrize(("on", "past"), [(date(2026, 12, 31), False), (date(2027, 1, 1), True)])
def test_a_card_taps_on_its_last_day(on, past):
    assert expired(date(2026, 12, 31), on) is past
