"""Cards get their keys, change them, hide their UIDs and pay from a purse: over APDUs alone."""

import itertools
import json
from dataclasses import replace

import pytest

from kernel.crypto.card_keys import KEY_NUMBER, PRIVACY_KEY, Role, card_key, privacy_key
from kernel.crypto.tmac import TmacKey, verify_tmv
from kernel.wire import cardinfo
from readers import card, station
from readers.card import CardForgedError, CardLostError, CardRefusedError
from readers.errors import ConfigError
from readers.issuing import make_cards, read_orders
from readers.softcard.card import Eeprom, Secrets, SoftCard
from readers.softcard.direct import DirectChannel
from tests.readers.kit import info_of, uid_of

UID = uid_of(7)
INFO = cardinfo.encode(info_of(7))
MASTERS = {g: {role: bytes((g, number)) * 8 for number, role in enumerate(Role)} for g in (1, 2)}
READER = b"R" * 16
RECORD = b"bus 26, 7000 VND"


def keys_of(generation, uid=UID):
    return {role: card_key(master, uid, generation) for role, master in MASTERS[generation].items()}


def masters(role, *generations):
    return {generation: MASTERS[generation][role] for generation in generations or (1, 2)}


def blank():
    return SoftCard(UID, Secrets.blank(), Eeprom(bytes(cardinfo.SIZE)))


def made(generation=1, **more):
    eeprom = {name: more.pop(name) for name in ("purse", "entitlements") if name in more}
    return SoftCard(UID, Secrets.all_of(keys_of(generation)), Eeprom(INFO, **eeprom), **more)


def tapped(soft, *generations):
    prepared = card.prepare(card.begin(DirectChannel(soft), masters(Role.AUTH, *generations)), READER)
    return prepared, card.commit(prepared)


class Cut:
    """A card that leaves after so many answers, or whose so-manieth answer is the last to be lost."""

    def __init__(self, soft, after, *, heard=False):
        self._inner, self.uid, self._left, self._heard = DirectChannel(soft), soft.uid, after, heard

    def close(self):
        self._inner.close()

    def transceive(self, apdu, timeout_s):
        self._left -= 1
        if self._left < 0:
            if self._heard and self._left == -1:
                self._inner.transceive(apdu, timeout_s)
            raise CardLostError("no_answer")
        return self._inner.transceive(apdu, timeout_s)


def test_a_fresh_card_is_personalised_and_rides():
    soft = blank()
    with pytest.raises(CardRefusedError):
        tapped(soft)
    station.personalise(DirectChannel(soft), keys_of(1), INFO)
    prepared, done = tapped(soft)
    key = TmacKey(keys_of(1)[Role.TMAC])
    assert verify_tmv(key, uid=UID, tmc=1, tmi=prepared.tmi, claimed=done.tmv)
    assert card.begin(DirectChannel(soft), masters(Role.AUTH)).info == info_of(7)
    assert all(soft.key(number) == keys_of(1)[role] for role, number in KEY_NUMBER.items())


def test_personalised_again_it_stays_as_it_was():
    soft = blank()
    station.personalise(DirectChannel(soft), keys_of(1), INFO)
    tapped(soft)
    before = soft.eeprom
    station.personalise(DirectChannel(soft), keys_of(1), INFO)
    assert soft.eeprom == before, "the counter goes on"


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
def test_a_card_that_left_halfway_is_finished_the_next_time(heard):
    for after in itertools.count():
        soft = blank()
        try:
            station.personalise(Cut(soft, after, heard=heard), keys_of(1), INFO)
        except CardLostError:
            station.personalise(DirectChannel(soft), keys_of(1), INFO)
        else:
            break
        assert tapped(soft)[1].tmc == 1
    assert after > 20


def test_a_card_of_other_keys_is_refused_and_left_alone():
    soft = made(2)
    before = soft.eeprom
    with pytest.raises(CardRefusedError) as refused:
        station.personalise(DirectChannel(soft), keys_of(1), INFO)
    assert refused.value.reason == "unknown_key"
    assert soft.eeprom == before


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
def test_keys_change_to_the_next_generation_wherever_it_is_cut_off(heard):
    for after in itertools.count():
        soft = made(1)
        tapped(soft, 1)
        try:
            station.rekey(Cut(soft, after, heard=heard), keys_of(1), keys_of(2))
        except CardLostError:
            # Whatever it holds now, validators that hold both generations serve it.
            assert tapped(soft)[1].tmc == 2
            station.rekey(DirectChannel(soft), keys_of(1), keys_of(2))
        else:
            break
        with pytest.raises(CardRefusedError):
            tapped(soft, 1)
        prepared, done = tapped(soft, 2)
        key = TmacKey(keys_of(1)[Role.TMAC])
        assert done.tmc == 3
        assert verify_tmv(key, uid=UID, tmc=3, tmi=prepared.tmi, claimed=done.tmv), "the MAC key stays"
    assert after > 15


def test_keys_of_neither_generation_are_refused():
    soft = made(1)
    strange = {role: bytes(16) for role in Role}
    with pytest.raises(CardRefusedError):
        station.rekey(DirectChannel(soft), strange, keys_of(2))
    assert soft.eeprom.keys == ()


def hidden(generation=1, random=None):
    secrets = Secrets.all_of(
        keys_of(generation), privacy=privacy_key(MASTERS[generation][Role.AUTH], generation)
    )
    return SoftCard(UID, secrets, Eeprom(INFO), random_uid=True)


@pytest.mark.parametrize("generation", [1, 2])
def test_a_card_with_random_uids_is_known_by_what_it_says_authenticated(generation):
    soft, shown = hidden(generation), set()
    for count in (1, 2, 3):
        channel = DirectChannel(soft)
        shown.add(channel.uid)
        assert (len(channel.uid), channel.uid[0]) == (4, 0x08)
        read = card.begin(channel, masters(Role.AUTH))
        assert (read.uid, read.info.serial, read.key_generation) == (UID, 7, generation)
        prepared = card.prepare(read, READER)
        done = card.commit(prepared)
        key = TmacKey(keys_of(generation)[Role.TMAC])
        assert verify_tmv(key, uid=UID, tmc=count, tmi=prepared.tmi, claimed=done.tmv)
    assert len(shown) > 1


def test_a_reader_that_is_not_ours_learns_no_uid():
    soft = hidden()
    with pytest.raises(CardRefusedError) as refused:
        card.begin(DirectChannel(soft), {1: b"not a master key"})
    assert refused.value.reason == "unknown_key"


def test_a_card_that_tells_anothers_uid_does_not_hold_its_keys():
    soft = hidden()
    soft.uid = uid_of(8)
    with pytest.raises(CardRefusedError):
        card.begin(DirectChannel(soft), masters(Role.AUTH))


@pytest.mark.parametrize("uid", [b"\x01\x02\x03\x04", b"\x08\x01\x02", b"", bytes(10)])
def test_other_short_uids_are_not_ours(uid):
    channel = DirectChannel(made())
    channel._card.shown_uid = uid
    with pytest.raises(CardRefusedError) as refused:
        card.begin(channel, masters(Role.AUTH))
    assert refused.value.reason == "uid"


def test_the_privacy_key_opens_nothing_but_the_uid():
    soft = hidden()
    channel = DirectChannel(soft)
    key = privacy_key(MASTERS[1][Role.AUTH], 1)

    def steps():
        yield b"\x00\xa4\x04\x00" + bytes((len(card.DF_NAME),)) + card.DF_NAME + b"\x00"
        session, _ = yield from card.authenticate(PRIVACY_KEY, {1: key}, lambda size: b"\x5c" * size)
        yield from card.read_file(session, 1, cardinfo.SIZE)

    with pytest.raises(CardRefusedError) as refused:
        card.run(channel, steps(), 1)
    assert refused.value.status == b"\x91\x9d"


def test_what_reads_back_differently_is_not_passed_on():
    soft = blank()
    station.personalise(DirectChannel(soft), keys_of(1), INFO)
    other = cardinfo.encode(info_of(8))

    class Deaf(DirectChannel):
        def transceive(self, apdu, timeout_s):
            if apdu[1] == 0x8D:
                answer = super().transceive(apdu, timeout_s)
                soft.eeprom = replace(soft.eeprom, card_info=other)
                return answer
            return super().transceive(apdu, timeout_s)

    with pytest.raises(CardForgedError):
        station.personalise(Deaf(soft), keys_of(1), INFO)


class Tray:
    """A field onto which cards are laid one after another."""

    def __init__(self, *softs):
        self.softs, self.closed = list(softs), False

    def wait_for_card(self, timeout_s):
        soft = self.softs.pop(0) if self.softs else None
        return soft if soft is None or isinstance(soft, Cut) else DirectChannel(soft)

    def close(self):
        self.closed = True


def order_file(tmp_path, *serials):
    rows = [
        {
            "serial": serial,
            "uid": uid_of(serial).hex(),
            "keys": {role.value: key.hex() for role, key in keys_of(1, uid_of(serial)).items()},
            "generation": 1,
            "info": cardinfo.encode(info_of(serial)).hex(),
        }
        for serial in serials
    ]
    path = tmp_path / "cards.json"
    path.write_text(json.dumps(rows))
    return path


def fresh(serial):
    return SoftCard(uid_of(serial), Secrets.blank(), Eeprom(bytes(cardinfo.SIZE)))


def test_a_file_of_cards_is_made_in_whatever_order_they_come(tmp_path):
    said, cards = [], {serial: fresh(serial) for serial in (1, 2, 3)}
    tray = Tray(cards[2], cards[2], fresh(9), Cut(cards[3], 5), cards[3], None, cards[2], cards[1])
    left = make_cards(lambda: tray, read_orders(order_file(tmp_path, 1, 2, 3)), tell=said.append, looks=3)
    assert (left, tray.closed) == (0, True)
    assert sum("is made" in line for line in said) == 3
    assert [line.split(": ")[1] for line in said if "is made" not in line] == [
        "not in this file, or made already",
        "no_answer; lay it on again",
        "not in this file, or made already",
    ]
    for serial, soft in cards.items():
        assert card.begin(DirectChannel(soft), masters(Role.AUTH)).info.serial == serial


def test_cards_that_never_come_are_counted(tmp_path):
    tray = Tray()
    assert make_cards(lambda: tray, read_orders(order_file(tmp_path, 1, 2)), tell=print, looks=2) == 2


@pytest.mark.parametrize(
    "raw", ["", "[1]", '[{"serial": 1}]', '[{"serial": 1, "uid": "04", "keys": {}, "info": ""}]']
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, raw):
    path = tmp_path / "cards.json"
    path.write_text(raw)
    with pytest.raises(ConfigError, match=r"cards\.json"):
        read_orders(path)
