"""What a reader says of itself while a card is there: what it is, not what it does, and at once when it breaks."""

from dataclasses import replace

from readers.errors import FieldLostError
from readers.states import State
from tests.readers.kit import enrolled, soft_card, wait_until
from tests.readers.loop import CardField, LeavingChannel, events, in_service, lights, present, running


class Asked(LeavingChannel):
    """A card at each of whose answers the reader is asked how it is."""

    def __init__(self, card, ask):
        super().__init__(card)
        self._ask = ask

    def transceive(self, apdu, timeout_s):
        self._ask()
        return super().transceive(apdu, timeout_s)


class AskingField(CardField):
    ask = None

    def wait_for_card(self, timeout_s):
        channel = super().wait_for_card(timeout_s)
        return channel and Asked(channel._card, self.ask)


def test_whoever_asks_during_a_tap_hears_what_the_reader_is_and_not_what_it_does(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    config = replace(config, journal=replace(config.journal, disk_low_mb=1_000_000))
    field, said = AskingField(), []
    with running(config, field) as daemon:
        field.ask = lambda: said.append((daemon.machine.state, daemon._report()["state"]))
        wait_until(lambda: in_service(daemon))
        assert present(daemon, soft_card(1)) == ("green", "DONE")
    assert {State.AUTH, State.COMMIT} <= {state for state, _ in said}
    assert {told for _, told in said} == {"DEGRADED"}


class Pulled(LeavingChannel):
    """A card beside which the reader's cable is pulled once it was served."""

    def present(self):
        raise FieldLostError("usb gone")


class PulledField(CardField):
    def wait_for_card(self, timeout_s):
        channel = super().wait_for_card(timeout_s)
        self.broken = channel is not None
        return channel and Pulled(channel._card)


def test_a_device_that_goes_while_a_card_lies_there_is_told_at_once(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config, PulledField()) as daemon:
        wait_until(lambda: in_service(daemon))
        present(daemon, soft_card(1))
        wait_until(lambda: any(beat["state"] == "OUT_OF_SERVICE" for beat in office.heartbeats))
    assert lights(config)[0] == ("green", "DONE")
    assert ("OUT_OF_SERVICE", ["usb gone"]) in [(e["state"], e["why"]) for e in events(config, "state")]
