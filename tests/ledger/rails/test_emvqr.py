"""The tag-length-value text and its checksum: EMV QRCPS merchant-presented mode."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rails import vietqr
from ledger.rails.emvqr import (
    MAX_TEXT,
    DataObject,
    MalformedQrError,
    UnwritableQrError,
    crc16,
    read_objects,
    read_payload,
    write_objects,
    write_payload,
)

FORMAT = DataObject("00", "01")


def sealed(body: str) -> str:
    return body + "6304" + crc16(body + "6304")


def test_crc16_check_value() -> None:
    assert crc16("123456789") == "29B1"  # the published check value of CRC-16/CCITT-FALSE


def test_crc16_counts_utf8_bytes() -> None:
    assert crc16("đ") != crc16("d")
    assert len(crc16("")) == 4


def test_write_counts_characters_not_bytes() -> None:
    assert write_objects([DataObject("59", "Đống Đa")]) == "5907Đống Đa"


@pytest.mark.parametrize(
    ("objects", "field"),
    [
        ([DataObject("0", "1")], "0"),
        ([DataObject("٠١", "1")], "٠١"),  # Arabic digits are digits to str.isdigit
        ([DataObject("001", "1")], "001"),
        ([DataObject("01", "")], "01"),
        ([DataObject("01", "x" * 100)], "01"),
        ([DataObject("01", "a\nb")], "01"),
        ([DataObject("01", "a"), DataObject("01", "b")], "01"),
    ],
)
def test_write_refuses(objects: list[DataObject], field: str) -> None:
    with pytest.raises(UnwritableQrError) as refused:
        write_objects(objects)
    assert refused.value.fields["field"] == field


def test_write_payload_refuses_a_given_checksum_a_missing_format_and_too_much() -> None:
    with pytest.raises(UnwritableQrError):
        write_payload([FORMAT, DataObject("63", "ABCD")])
    with pytest.raises(UnwritableQrError):
        write_payload([DataObject("01", "12")])
    with pytest.raises(UnwritableQrError):
        write_payload([])
    with pytest.raises(UnwritableQrError):
        write_payload([FORMAT, *(DataObject(f"{tag}", "x" * 99) for tag in range(80, 86))])


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("1", 0),
        ("0a0211", 0),
        ("00", 2),
        ("00021", 2),
        ("000", 2),
        ("00٠٢01", 2),
        ("0000", 2),
        ("000201000201", 6),
        ("00020101031", 8),
    ],
)
def test_read_objects_names_the_place(text: str, offset: int) -> None:
    with pytest.raises(MalformedQrError) as refused:
        read_objects(text)
    assert refused.value.fields["offset"] == offset


def test_read_objects_of_nothing_is_nothing() -> None:
    assert read_objects("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "000201",
        "00020163",
        "0002016304",
        "0002016304FFFF",
        sealed("0103123"),
        sealed("000202"),
        sealed("000201") + "6404ABCD",
        sealed("0002015920ab"),
        "000201" + "x" * MAX_TEXT,
        "000201\ud800",
    ],
)
def test_read_payload_refuses(text: str) -> None:
    with pytest.raises(MalformedQrError):
        read_payload(text)


def test_read_payload_warns_of_case_and_white_space() -> None:
    text = next(sealed(f"0002015901{n}") for n in range(10) if not sealed(f"0002015901{n}")[-4:].isdigit())
    payload = read_payload(f" {text[:-4]}{text[-4:].lower()}\n")
    assert [warned.code for warned in payload.warnings] == ["white-space", "checksum-case"]


def test_read_payload_lengths_in_bytes_are_understood_with_a_warning() -> None:
    name = "Đống Đa"
    payload = read_payload(sealed(f"00020159{len(name.encode()):02d}{name}5802VN"))
    assert payload.objects[1:] == (DataObject("59", name), DataObject("58", "VN"))
    assert [warned.code for warned in payload.warnings] == ["lengths-in-bytes"]


def test_read_payload_lengths_in_bytes_splitting_a_character_are_refused() -> None:
    with pytest.raises(MalformedQrError):
        read_payload(sealed("0002015901Đ59"))


values = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
tags = st.integers(1, 99).filter(lambda tag: tag != 63).map("{:02d}".format)


@given(st.dictionaries(tags, values, max_size=8))
def test_round_trip(fields: dict[str, str]) -> None:
    objects = (FORMAT, *(DataObject(tag, value) for tag, value in fields.items()))
    payload = read_payload(write_payload(objects))
    assert payload.objects == objects
    assert payload.warnings == ()


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(MalformedQrError):
        read_payload(text)


@given(st.integers(0, 40), st.characters(codec="ascii", categories=["L", "N"]))
def test_one_changed_character_never_passes(place: int, letter: str) -> None:
    text = sealed("0002010102125802VN5909LIEN THONG")
    changed = text[: place % len(text)] + letter + text[place % len(text) + 1 :]
    if changed.upper() == text:
        return
    with pytest.raises(MalformedQrError):
        read_payload(changed)


NAPAS = "38540010A00000072701240006970422011001234567890208QRIBFTTA"


@pytest.mark.parametrize(
    "body",
    [
        f"000201010211{NAPAS}53037045802VN6200",
        f"000201010211{NAPAS}53037045802VN59006000",
        f"000201010211{NAPAS}53037045802VN62040800",
        f"000201010211{NAPAS}53037045802VN5902Ạ\x1b",
    ],
)
def test_what_is_empty_or_unprintable_is_let_pass_with_a_warning(body: str) -> None:
    found = vietqr.read(sealed(body))
    assert (found.qr.account, found.qr.purpose) == ("0123456789", "")
    assert {one.code for one in found.warnings} == {"control-character" if "\x1b" in body else "empty"}


def test_a_qr_of_another_country_is_sound_but_none_of_ours() -> None:
    promptpay = sealed("00020101021129370016A000000677010111011300668012345675802TH5303764")
    assert read_payload(promptpay).warnings == ()
    with pytest.raises(vietqr.NotVietQrError, match="no tag 38"):
        vietqr.read(promptpay)
