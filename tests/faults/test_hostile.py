"""Issue 5: 10,000 random APDUs and frames, and hostile ATS: the daemon never dies and is never green."""

import random
from collections import Counter

from readers import card
from readers.card import CardError, CardLostError
from readers.lamp import Light
from readers.softcard.isodep import ATS
from readers.states import State
from readers.tap import tap
from tests.readers.kit import soft_card
from tests.readers.test_frontend_udp import on_air, raw_card
from tests.readers.test_softcard_card import SELECT

STATUSES = (b"\x90\x00", b"\x91\x00", b"\x91\xaf", b"\x91\xae", b"\x6a\x82", b"")


class Liar:
    """A card whose answers are drawn, now and then among those of a genuine one."""

    def __init__(self, dice, genuine):
        self.uid, self._dice, self._genuine, self.asked = genuine.uid, dice, genuine, 0
        genuine.power_off()

    def transceive(self, apdu, timeout_s):
        self.asked += 1
        match self._dice.randrange(16):
            case 0:
                answer = bytearray(self._genuine.answer(apdu))
                if answer:
                    answer[self._dice.randrange(len(answer))] ^= 1 << self._dice.randrange(8)
                return bytes(answer)
            case 1:
                raise CardLostError("no_answer")
            case 2:
                return self._genuine.answer(apdu)[: self._dice.randrange(40)]
            case 3:
                return self._dice.randbytes(self._dice.randrange(60)) + self._dice.choice(STATUSES)
            case _:
                return self._genuine.answer(apdu)

    def present(self):
        return False

    def close(self):
        pass


def test_random_answers_never_turn_the_light_green(bench, size, figures):
    dice, shown, asked = random.Random(13), Counter(), 0
    while asked < size(10_000):
        # Another card each time: one that is back at once is told that it has tapped already.
        genuine = soft_card(1 + shown.total())
        liar = Liar(dice, genuine)
        before = len(bench.records()) if dice.random() < 0.01 else None
        light = tap(bench.desk, liar)
        asked += liar.asked
        shown[light.message.light.value, light.reason or light.phase] += 1
        # A genuine answer to each command is a genuine card, however it came about; then, and only then, green.
        assert (light.message.light is Light.GREEN) <= (genuine.eeprom.tmc == 1)
        assert bench.desk.machine.state is State.WAIT_REMOVAL
        bench.desk.machine.state = State.IDLE
        if before is not None:
            assert len(bench.records()) - before <= 1
    green = sum(count for (light, _), count in shown.items() if light == "green")
    figures(
        answers=asked,
        presentations=shown.total(),
        lights=dict(shown.most_common(12)),
        green_by_genuine_answers=green,
    )


def test_random_commands_never_break_a_card(size, figures):
    dice, statuses = random.Random(17), Counter()
    soft = soft_card(7)
    for _ in range(size(10_000)):
        if dice.random() < 0.2:
            soft.answer(SELECT)
        apdu = dice.randbytes(dice.randrange(48))
        if dice.random() < 0.7:
            code = dice.choice((0x71, 0x77, 0xAF, 0xAD, 0xC8, 0xC7, 0xC4, 0x8D, 0xDC, 0x6C, 0x8B, 0xBB, 0x0C))
            body = dice.randbytes(dice.randrange(40))
            apdu = bytes((0x90, code, 0, 0, len(body))) + body + b"\x00"
        statuses[soft.answer(apdu)[-2:].hex()] += 1
    figures(commands=statuses.total(), statuses=dict(statuses.most_common(8)))
    assert soft.eeprom.tmc == 0


def hostile_frame(dice, sent):
    control = dice.choice((0x02, 0x03, 0x12, 0x13, 0xA2, 0xA3, 0xB2, 0xC2, 0xF2, dice.randrange(256)))
    return bytes((control,)) + dice.randbytes(dice.randrange(30))


def test_random_frames_and_ats_never_kill_the_field(size, figures):
    dice, outcomes, frames, looks = random.Random(19), Counter(), [0], 0

    def script(sent):
        frames[0] += 1
        if sent[0] == 0xE0:
            if dice.random() < 0.2:
                return [on_air(dice.randbytes(dice.randrange(1, 20)))]
            return [on_air(ATS)]
        return [on_air(hostile_frame(dice, sent)) for _ in range(dice.choice((1, 1, 1, 2)))]

    with raw_card(script) as field:
        while frames[0] < size(10_000):
            looks += 1
            channel = field.wait_for_card(0.05)
            if channel is None:
                outcomes["not activated"] += 1
                continue
            try:
                card.begin(channel, {1: b"A" * 16}, timeout_s=0.004)
            except CardError as error:
                outcomes[error.reason] += 1
            else:
                outcomes["READ"] += 1
            channel.close()
    figures(frames=frames[0], activations=looks, outcomes=dict(outcomes.most_common()))
    assert outcomes["READ"] == 0
    assert outcomes.total() == looks
