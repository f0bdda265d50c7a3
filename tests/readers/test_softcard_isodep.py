"""The card's side of ISO 14443-4, frame by frame, against a reader written after the standard and not after it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readers.softcard.card import CardLeftError
from readers.softcard.isodep import ATS, FRAME_SIZES, HOSTILE_ATS, IsoDepTarget

RATS = b"\xe0\x80"


def echo(apdu):
    return b"<" + apdu + b">"


class Initiator:
    """A reader's side with chaining, waiting times and, where told, lost answers."""

    def __init__(self, target, size=64):
        self.target, self.size, self.number = target, size, 0

    def send(self, apdu, lose=()):
        parts = [apdu[start : start + self.size] for start in range(0, len(apdu), self.size)] or [b""]
        answer = b""
        for count, part in enumerate(parts):
            more = count + 1 < len(parts)
            answer = self.frame(bytes(((0x12 if more else 0x02) | self.number,)) + part, count in lose)
            if more:
                assert answer == bytes((0xA2 | self.number,))
                self.number ^= 1
        while answer[0] == 0xF2:
            answer = self.frame(answer, False)
        reply = b""
        while True:
            assert answer[0] & 0xEF == 0x02 | self.number
            assert len(answer) + 2 <= FRAME_SIZES[-1]
            reply += answer[1:]
            self.number ^= 1
            if not answer[0] & 0x10:
                return reply
            answer = self.frame(bytes((0xA2 | self.number,)), False)

    def frame(self, frame, lost):
        answer = self.target.on_frame(frame)
        if lost:
            # The answer never arrived: ask again.
            answer = self.target.on_frame(bytes((0xB2 | self.number,)))
        return answer


def activated(answer=echo, rats=RATS, **options):
    target = IsoDepTarget(answer, **options)
    assert target.on_frame(rats) == options.get("ats", ATS)
    return target


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 61), st.sets(st.integers(0, 3)))
def test_apdus_of_any_length_pass_in_chains_though_answers_get_lost(apdus, size, lose):
    seen = []

    def answer(apdu):
        seen.append(apdu)
        return echo(apdu)

    reader = Initiator(activated(answer), size)
    for apdu in apdus:
        assert reader.send(apdu, lose) == echo(apdu)
    # A repetition repeats the answer, it does not execute the command again.
    assert seen == apdus


@pytest.mark.parametrize("parameter", range(16))
def test_answers_keep_to_the_frame_size_the_reader_asked_for(parameter):
    largest = FRAME_SIZES[min(parameter, 8)]
    target = activated(lambda _: bytes(400), rats=bytes((0xE0, parameter << 4)))
    answer = target.on_frame(b"\x02x")
    assert len(answer) + 2 == largest
    assert answer[0] & 0x10


@pytest.mark.parametrize("waits", [1, 2, 5])
def test_a_slow_card_asks_for_time_before_it_answers(waits):
    target = activated(waits=waits)
    frame = b"\x02hi"
    for _ in range(waits):
        assert target.on_frame(frame) == b"\xf2\x01"
        frame = b"\xf2\x01"
    assert target.on_frame(frame) == b"\x02<hi>"
    assert Initiator(activated(waits=waits)).send(b"hi") == b"<hi>"


def test_waiting_time_is_answered_only_when_asked_for():
    assert activated().on_frame(b"\xf2\x01") is None


def test_a_presence_check_is_acknowledged_or_repeated():
    target = activated()
    assert target.on_frame(b"\xb2") == b"\xa3"
    assert target.on_frame(b"\x02x") == b"\x02<x>"
    assert target.on_frame(b"\xb3") == b"\xa2"
    assert target.on_frame(b"\xb2") == b"\x02<x>"


def test_an_acknowledgement_with_nothing_left_to_send_is_silence():
    target = activated()
    target.on_frame(b"\x02x")
    assert target.on_frame(b"\xa3") is None


@pytest.mark.parametrize(
    ("frame", "information"), [(b"\x0a\x00hi", b"hi"), (b"\x06\x00hi", b"hi"), (b"\x02hi", b"hi")]
)
def test_cid_and_nad_are_no_part_of_the_apdu(frame, information):
    assert activated().on_frame(frame) == b"\x02" + echo(information)


def test_pps_and_deselect_are_confirmed():
    target = activated()
    assert target.on_frame(b"\xd0\x11\x00") == b"\xd0"
    assert not target.deselected
    assert target.on_frame(b"\xc2") == b"\xc2"
    assert target.deselected


def test_rats_starts_anew():
    target = activated()
    target.on_frame(b"\x12half")
    target.on_frame(RATS)
    assert target.on_frame(b"\x02x") == b"\x02<x>"


def test_hostile_ats_is_sent_as_given():
    assert activated(ats=HOSTILE_ATS)


def test_what_the_card_raises_goes_to_the_caller():
    def gone(_):
        raise CardLeftError

    with pytest.raises(CardLeftError):
        activated(gone).on_frame(b"\x02x")


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=20), max_size=10), st.integers(0, 2))
def test_any_frames_are_borne(frames, waits):
    target = IsoDepTarget(echo, waits=waits)
    for frame in frames:
        answer = target.on_frame(frame)
        assert answer is None or len(answer) <= FRAME_SIZES[-1]
