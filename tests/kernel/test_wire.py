"""Wire records: their bytes are fixed for ever (wire_vectors), they grow at the end only, and bear any input."""
# longer than a room: the wire format in one place: vectors, versions and every malformation

from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from enum import IntEnum
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import from_micros
from kernel.wire import cardinfo
from kernel.wire.cardinfo import CardInfo, Concession
from kernel.wire.codec import (
    BLOB,
    INSTANT,
    TEXT,
    U8,
    U16,
    U32,
    Field,
    MalformedRecordError,
    RecordType,
    choice,
    fixed,
)
from kernel.wire.purse import PurseMove, decode_purse, encode_purse
from kernel.wire.tap import (
    HEAD_CONTEXT,
    TAP,
    ClockState,
    Decision,
    Phase,
    Purpose,
    TapRecord,
    decode_tap,
    encode_tap,
    head_message,
    record_hash,
)
from kernel.wire.upload import MAX_RECORD_BYTES, MAX_RECORDS, Answer, RecordVerdict, Upload, Verdict

INFO = CardInfo(
    issuer=704,
    serial=1234567890123,
    product=1,
    concession=Concession.PRIORITY,
    expires_on=date(2031, 12, 31),
    key_generation=2,
    flags=0x80,
)
PLAIN_TAP = TapRecord(
    device_id=UUID("01939c1e-5a2b-7c3d-8e4f-000000000001"),
    key_id=bytes(range(8)),
    journal_id=UUID("01939c1e-5a2b-7c3d-8e4f-000000000002"),
    sequence=1,
    previous_hash=bytes(32),
    tapped_at=datetime(2026, 11, 18, 0, 15, 30, 250001, tzinfo=UTC),
    monotonic_ms=81_234,
    clock_state=ClockState.SYNCED,
    purpose=Purpose.AUTO,
    phase=Phase.DONE,
    decision=Decision.ACCEPT,
    direction=1,
    deny_version=17,
    uid=bytes.fromhex("04112233445566"),
    card_serial=1234567890123,
    key_generation=2,
    tmc=42,
    tmv=bytes(range(8, 16)),
    enc_tmri=bytes(range(16, 32)),
    reader_id=UUID("01939c1e-5a2b-7c3d-8e4f-000000000001").bytes,
    prior_tmc=41,
    prior_tmv=bytes(range(32, 40)),
    latency_ms=187,
    reason="",
    place="29B-123.45",
    stop_id="cau-giay",
    route_id="32",
    trip_id="32-0012",
    vehicle_class="",
    tariff_version="hanoi-2026-11-01",
    data_read=cardinfo.encode(INFO),
)
REFUSED_TAP = replace(
    PLAIN_TAP,
    sequence=2**64 - 1,
    previous_hash=bytes(range(32)),
    clock_state=ClockState.UNSYNCED,
    purpose=Purpose.PARK_IN,
    phase=Phase.REFUSED,
    decision=Decision.REFUSE,
    tmv=bytes(8),
    reason="denied",
    place="Đống Đa",
    stop_id="",
    route_id="",
    trip_id="",
    vehicle_class="car",
)


MOVE = PurseMove(before=20_000, loaded=0, paid=7_000, record=bytes(range(16)))
GIVEN_BACK = replace(MOVE, paid=0, returned=4_000, trips_read=bytes(range(32)), trips_written=bytes(32))
OLDER = ("tap.v1.plain", "tap.v1.refused", "tap.v1.plain.sha256", "purse.v1")


def _vectors():
    """One record a line: its name, a space, its bytes in hexadecimal."""
    lines = (Path(__file__).parent / "wire_vectors").read_text().splitlines()
    return {name: bytes.fromhex(raw) for name, raw in (line.split() for line in lines)}


VECTORS = _vectors()
PURSE_TAP = replace(PLAIN_TAP, purse=VECTORS["purse.v1"])
MADE = {
    "tap.v2.plain": lambda: encode_tap(PLAIN_TAP),
    "tap.v2.refused": lambda: encode_tap(REFUSED_TAP),
    "tap.v2.purse": lambda: encode_tap(PURSE_TAP),
    "tap.v2.plain.sha256": lambda: record_hash(encode_tap(PLAIN_TAP)),
    "purse.v2": lambda: encode_purse(GIVEN_BACK),
    "head.v1": lambda: head_message(PLAIN_TAP.device_id, PLAIN_TAP.journal_id, 7, bytes(range(32))),
    "cardinfo.v1": lambda: cardinfo.encode(INFO),
}


@pytest.mark.parametrize("name", MADE)
def test_layouts_are_those_of_the_vectors(name):
    assert MADE[name]() == VECTORS[name]


def test_vectors_decode_to_what_they_were_made_from():
    assert set(VECTORS) == {*MADE, *OLDER}
    assert decode_tap(VECTORS["tap.v2.plain"]) == decode_tap(VECTORS["tap.v1.plain"]) == PLAIN_TAP
    assert decode_tap(VECTORS["tap.v2.refused"]) == REFUSED_TAP
    assert decode_tap(VECTORS["tap.v2.purse"]) == PURSE_TAP
    assert decode_purse(VECTORS["purse.v1"]) == MOVE
    assert decode_purse(VECTORS["purse.v2"]) == GIVEN_BACK
    assert (MOVE.after, GIVEN_BACK.after) == (13_000, 24_000)
    assert decode_tap(VECTORS["tap.v1.refused"]) == REFUSED_TAP
    assert cardinfo.decode(VECTORS["cardinfo.v1"]) == INFO


def test_numbers_of_the_enums_are_fixed():
    assert {each.name: each.value for each in Purpose} == {
        "BOARD": 1,
        "ALIGHT": 2,
        "AUTO": 3,
        "PARK_IN": 4,
        "PARK_OUT": 5,
        "INSPECT": 6,
    }
    assert {each.name: each.value for each in Phase} == {"DONE": 1, "TORN": 2, "RECOVERED": 3, "REFUSED": 4}
    assert {each.name: each.value for each in ClockState} == {"SYNCED": 1, "HOLDOVER": 2, "UNSYNCED": 3}
    assert {each.name: each.value for each in Decision} == {"ACCEPT": 1, "REFUSE": 2}
    assert [each.value for each in Concession] == list(range(8))
    assert HEAD_CONTEXT == b"lienthong/tap-head/1"


def test_the_record_and_its_wire_type_name_the_same_fields():
    assert [each.name for each in TAP.fields] == [each.name for each in fields(TapRecord)]


short_texts = st.text(st.characters(codec="utf-8"), max_size=40)
taps = st.builds(
    TapRecord,
    device_id=st.uuids(),
    key_id=st.binary(min_size=8, max_size=8),
    journal_id=st.uuids(),
    sequence=st.integers(0, 2**64 - 1),
    previous_hash=st.binary(min_size=32, max_size=32),
    tapped_at=st.datetimes(timezones=st.just(UTC)),
    monotonic_ms=st.integers(0, 2**64 - 1),
    clock_state=st.sampled_from(ClockState),
    purpose=st.sampled_from(Purpose),
    phase=st.sampled_from(Phase),
    decision=st.sampled_from(Decision),
    direction=st.integers(0, 255),
    deny_version=st.integers(0, 2**64 - 1),
    uid=st.binary(min_size=7, max_size=7),
    card_serial=st.integers(0, 2**64 - 1),
    key_generation=st.integers(0, 255),
    tmc=st.integers(0, 2**32 - 1),
    tmv=st.binary(min_size=8, max_size=8),
    enc_tmri=st.binary(min_size=16, max_size=16),
    reader_id=st.binary(min_size=16, max_size=16),
    prior_tmc=st.integers(0, 2**32 - 1),
    prior_tmv=st.binary(min_size=8, max_size=8),
    latency_ms=st.integers(0, 2**32 - 1),
    reason=short_texts,
    place=short_texts,
    stop_id=short_texts,
    route_id=short_texts,
    trip_id=short_texts,
    vehicle_class=short_texts,
    tariff_version=short_texts,
    data_read=st.binary(max_size=64),
)


@given(taps)
def test_tap_round_trip(tap):
    again = decode_tap(encode_tap(tap))
    assert again == tap
    assert hash(again) == hash(tap)
    assert encode_tap(again) == encode_tap(tap)


def test_a_decoded_tap_is_frozen_and_replaceable():
    tap = decode_tap(VECTORS["tap.v1.plain"])
    with pytest.raises(AttributeError):
        tap.sequence = 2
    assert replace(tap, sequence=2).sequence == 2


@given(st.data())
def test_a_mutated_tap_decodes_or_is_malformed(data):
    raw = bytearray(VECTORS["tap.v2.purse"])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedRecordError):
        tap = decode_tap(bytes(raw))
        assert raw[1] != 2 or encode_tap(tap) == raw


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_are_malformed(raw):
    for decode in (decode_tap, cardinfo.decode, lambda tail: decode_tap(b"\x54\x01" + tail)):
        with suppress(MalformedRecordError):
            decode(raw)


def test_every_cut_of_a_tap_is_malformed():
    whole = VECTORS["tap.v1.plain"]
    for size in range(len(whole)):
        with pytest.raises(MalformedRecordError) as refused:
            decode_tap(whole[:size])
        assert refused.value.fields["offset"] <= size


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (0, 0x55, "tag"),
        (1, 0, "version"),
        (98, 9, "clock_state"),
        (99, 0, "purpose"),
        (82, 0x7F, "tapped_at"),
    ],
)
def test_a_malformed_tap_names_its_field(place, value, field):
    raw = bytearray(VECTORS["tap.v2.purse"])
    raw[place] = value
    with pytest.raises(MalformedRecordError) as refused:
        decode_tap(bytes(raw))
    assert refused.value.fields["field"] == field


def test_text_that_is_not_utf8_is_malformed():
    raw = VECTORS["tap.v1.plain"].replace(b"cau-giay", b"cau-gia\xff")
    with pytest.raises(MalformedRecordError) as refused:
        decode_tap(raw)
    assert refused.value.fields["field"] == "stop_id"


def test_bytes_after_the_last_field_of_the_same_version_are_malformed():
    with pytest.raises(MalformedRecordError) as refused:
        decode_tap(VECTORS["tap.v1.plain"] + b"\x00")
    assert refused.value.fields["field"] == "end"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", bytes(6)),
        ("uid", bytes(8)),
        ("uid", "04112233445566"),
        ("tmc", -1),
        ("tmc", 2**32),
        ("sequence", 2**64),
        ("sequence", "1"),
        ("purpose", 1),
        ("phase", Purpose.BOARD),
        ("tapped_at", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("tapped_at", 0),
        ("device_id", bytes(16)),
        ("place", b"x"),
        ("place", "x" * 65536),
        ("data_read", "x"),
    ],
)
def test_a_value_its_field_cannot_hold_is_named(field, value):
    with pytest.raises(ValueError, match=f"^{field}: "):
        encode_tap(replace(PLAIN_TAP, **{field: value}))


class Colour(IntEnum):
    RED = 1
    GREEN = 2


V1 = RecordType(7, 1, (Field("number", U16), Field("name", TEXT), Field("colour", choice(Colour))))
V2 = RecordType(
    7,
    2,
    (
        *V1.fields,
        Field("weight", U32, since=2, default=0),
        Field("at", INSTANT, since=2, default=from_micros(0)),
        Field("note", BLOB, since=2, default=b"none"),
    ),
)
V3 = RecordType(
    7, 3, (*V2.fields, Field("mark", fixed(3), since=3, default=b"abc"), Field("level", U8, since=3))
)
old_values = st.fixed_dictionaries(
    {"number": st.integers(0, 65535), "name": short_texts, "colour": st.sampled_from(Colour)}
)
new_values = st.fixed_dictionaries(
    {
        "weight": st.integers(0, 2**32 - 1),
        "at": st.datetimes(timezones=st.just(UTC)),
        "note": st.binary(max_size=30),
    }
)


@given(old_values, new_values)
def test_an_old_reader_takes_a_new_record_and_ignores_its_tail(old, new):
    assert V1.decode(V2.encode(old | new)) == old
    newest = old | new | {"mark": b"xyz", "level": 4}
    assert V1.decode(V3.encode(newest)) == old
    assert V2.decode(V3.encode(newest)) == old | new
    assert V3.decode(V3.encode(newest)) == newest


@given(old_values)
def test_a_new_reader_fills_defaults_into_an_old_record(old):
    raw = V1.encode(old)
    assert V2.decode(raw) == old | {"weight": 0, "at": from_micros(0), "note": b"none"}
    assert V3.decode(raw) == V2.decode(raw) | {"mark": b"abc", "level": None}
    assert V2.encode(V2.decode(raw))[2:].startswith(raw[2:])


@given(old_values)
def test_a_new_reader_does_not_take_an_old_record_with_a_tail(old):
    with pytest.raises(MalformedRecordError):
        V2.decode(V1.encode(old) + b"\x00")


@pytest.mark.parametrize(
    ("version", "given_fields"),
    [
        (1, (Field("a", U8, since=2),)),
        (2, (Field("a", U8, since=2), Field("b", U8))),
        (1, (Field("a", U8), Field("a", U8))),
        (1, (Field("a", U8, since=0),)),
        (256, (Field("a", U8),)),
    ],
)
def test_a_record_type_only_grows_at_its_end(version, given_fields):
    with pytest.raises(AssertionError):
        RecordType(1, version, given_fields)


infos = st.builds(
    CardInfo,
    issuer=st.integers(0, 65535),
    serial=st.integers(0, 2**64 - 1),
    product=st.integers(0, 255),
    concession=st.sampled_from(Concession),
    expires_on=st.dates(date(2020, 1, 1), date(2199, 6, 6)),
    key_generation=st.integers(0, 255),
    flags=st.integers(0, 255),
)


@given(infos)
def test_card_info_round_trip(info):
    raw = cardinfo.encode(info)
    assert len(raw) == 32
    assert cardinfo.decode(raw) == info


@pytest.mark.parametrize(
    "wrong",
    [
        {"serial": -1},
        {"serial": 2**64},
        {"issuer": 65536},
        {"concession": 8},
        {"expires_on": date(2019, 12, 31)},
        {"expires_on": date(2199, 6, 7)},
        {"key_generation": 256},
    ],
)
def test_card_info_refuses_what_does_not_fit(wrong):
    with pytest.raises(ValueError):
        cardinfo.encode(replace(INFO, **wrong))


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [(0, 0, "version"), (12, 8, "concession"), (17, 1, "spare"), (31, 1, "spare")],
)
def test_malformed_card_info_names_its_field(place, value, field):
    raw = bytearray(VECTORS["cardinfo.v1"])
    raw[place] = value
    with pytest.raises(MalformedRecordError) as refused:
        cardinfo.decode(bytes(raw))
    assert refused.value.fields["field"] == field


def test_a_later_card_info_may_use_the_spare_bytes():
    raw = bytearray(VECTORS["cardinfo.v1"])
    raw[0], raw[31] = 2, 9
    assert cardinfo.decode(bytes(raw)) == INFO


UPLOAD = Upload(
    device_id=PLAIN_TAP.device_id,
    key_id=PLAIN_TAP.key_id,
    journal_id=PLAIN_TAP.journal_id,
    records=(b"one", b"two"),
    signature=bytes(64),
)


def test_upload_round_trip():
    body = UPLOAD.to_json()
    assert body["key_id"] == "0001020304050607"
    assert body["records"] == ["b25l", "dHdv"]
    assert Upload.from_json(body) == UPLOAD


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"device_id": "x"}, "device_id"),
        ({"device_id": 1}, "device_id"),
        ({"journal_id": None}, "journal_id"),
        ({"key_id": "00"}, "key_id"),
        ({"key_id": 7}, "key_id"),
        ({"key_id": "zz" * 8}, "key_id"),
        ({"records": []}, "records"),
        ({"records": "b25l"}, "records"),
        ({"records": ["b25"]}, "records"),
        ({"records": ["b2 5l"]}, "records"),
        ({"records": [1]}, "records"),
        ({"records": ["đ"]}, "records"),
        ({"records": ["AAAA"] * (MAX_RECORDS + 1)}, "records"),
        ({"records": ["AAAA" * (MAX_RECORD_BYTES // 3 + 1)]}, "records"),
        ({"signature": None}, "signature"),
        ({"extra": 1}, "body"),
    ],
)
def test_a_malformed_upload_names_its_field(change, field):
    with pytest.raises(MalformedRecordError) as refused:
        Upload.from_json(UPLOAD.to_json() | change)
    assert refused.value.fields["field"] == field


@pytest.mark.parametrize("body", [None, [], "x", {}, {"device_id": "x"}])
def test_an_upload_is_an_object_of_its_keys(body):
    with pytest.raises(MalformedRecordError):
        Upload.from_json(body)


def test_answer_round_trip():
    answer = Answer((RecordVerdict(1, Verdict.ACCEPTED), RecordVerdict(2, Verdict.EXCEPTION, "mac")), 2)
    assert answer.to_json() == {
        "verdicts": [
            {"sequence": 1, "verdict": "accepted", "reason": ""},
            {"sequence": 2, "verdict": "exception", "reason": "mac"},
        ],
        "chained_up_to": 2,
    }
    assert Answer.from_json(answer.to_json()) == answer


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"verdicts": [], "chained_up_to": -1},
        {"verdicts": [], "chained_up_to": "1"},
        {"verdicts": [], "chained_up_to": True},
        {"verdicts": [{}], "chained_up_to": 1},
        {"verdicts": [{"sequence": 1, "verdict": "perhaps"}], "chained_up_to": 1},
        {"verdicts": [7], "chained_up_to": 1},
        {"verdicts": 7, "chained_up_to": 1},
    ],
)
def test_answer_refuses_other_shapes(body):
    with pytest.raises(MalformedRecordError):
        Answer.from_json(body)
