"""payOS-shaped notifications: the published signature, what it covers, and what it must not let through."""

import contextlib
import copy
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import DomainError
from kernel.money import VND, Money
from ledger.rails.notification import ForgedNotificationError, UnreadableNotificationError
from ledger.rails.payos import PayOs, canonical, sign, sign_link

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
# payOS documentation, "Kiểm tra dữ liệu với signature" (webhook)
KEY = b"1a54716c8f0efb2744fb28b6e38b25da7f67a925d98bc1c18bd8faaecadd7675"
DATA: dict[str, Any] = {
    "orderCode": 123,
    "amount": 3000,
    "description": "VQRIO123",
    "accountNumber": "12345678",
    "reference": "TF230204212323",
    "transactionDateTime": "2023-02-04 18:25:00",
    "currency": "VND",
    "paymentLinkId": "124c33293c43417ab7879e14c8d9eb18",
    "code": "00",
    "desc": "Thành công",
    "counterAccountBankId": "",
    "counterAccountBankName": "",
    "counterAccountName": "",
    "counterAccountNumber": "",
    "virtualAccountName": "",
    "virtualAccountNumber": "",
}
SIGNATURE = "412e915d2871504ed31be63c8f62a149a4410d34c4c42affc9006ef9917eaa03"


def body(data: object = None, signature: object = None, **outer: object) -> bytes:
    content = DATA if data is None else data
    signed = sign(content, KEY) if signature is None and isinstance(content, dict) else signature
    return json.dumps(
        {"code": "00", "desc": "success", "success": True, "data": content, "signature": signed} | outer
    ).encode()


def test_official_signature() -> None:
    assert sign(DATA, KEY) == SIGNATURE


def test_official_notification_verifies_and_reads() -> None:
    raw = body(signature=SIGNATURE)
    PayOs().verify(raw, {}, KEY, NOW)
    paid = PayOs().read(raw)
    assert paid.amount == Money(3000, VND)
    assert paid.order_code == 123
    assert paid.accounts == ("12345678",)
    assert paid.identity == "12345678/TF230204212323"
    assert paid.paid_at == datetime(2023, 2, 4, 11, 25, tzinfo=UTC)  # Hanoi is seven hours ahead


def test_signature_does_not_depend_on_key_order_or_layout() -> None:
    shuffled = dict(reversed(DATA.items()))
    raw = json.dumps(
        {"signature": SIGNATURE.upper(), "data": shuffled}, ensure_ascii=False, indent=3
    ).encode()
    PayOs().verify(raw, {}, KEY, NOW)


@pytest.mark.parametrize("field", sorted(DATA))
def test_any_changed_field_breaks_the_signature(field: str) -> None:
    changed = DATA | {field: f"{DATA[field]}1"}
    with pytest.raises(ForgedNotificationError):
        PayOs().verify(body(changed, SIGNATURE), {}, KEY, NOW)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"data": {}, "signature": null}',
        b'{"data": {}, "signature": ""}',
        b'{"data": null, "signature": "' + SIGNATURE.encode() + b'"}',
        b'{"data": {"a": {"b": 1}}, "signature": "' + SIGNATURE.encode() + b'"}',
        b'{"data": {"a": 1e999999}, "signature": "' + SIGNATURE.encode() + b'"}',
        b'{"data": {"a": NaN}, "signature": "' + SIGNATURE.encode() + b'"}',
        b'{"data": {"a": "\\ud800"}, "signature": "' + SIGNATURE.encode() + b'"}',
        b'{"data":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"data": {}, "x": ' + b"1" * 5000 + b"}",
        b'{"x": "' + b"a" * 70_000 + b'"}',
        body(signature="0" * 63),
        body(signature="0" * 64),
        body(signature=7),
    ],
)
def test_forged_bodies_are_refused(raw: bytes) -> None:
    with pytest.raises(ForgedNotificationError):
        PayOs().verify(raw, {}, KEY, NOW)


def test_a_key_that_stands_twice_is_refused() -> None:
    # One parser would read the first amount, another the last.
    raw = body(signature=SIGNATURE).replace(b'"amount": 3000', b'"amount": 9000000, "amount": 3000')
    with pytest.raises(ForgedNotificationError, match="twice"):
        PayOs().verify(raw, {}, KEY, NOW)


def test_another_secret_does_not_verify() -> None:
    with pytest.raises(ForgedNotificationError):
        PayOs().verify(body(), {}, KEY[:-1], NOW)


# The documented rules, one by one: null → empty, JavaScript's words → empty, booleans, numbers, lists.
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"b": 1, "a": "x"}, "a=x&b=1"),
        ({"B": 1, "a": 2}, "B=1&a=2"),
        ({"a": None, "b": "null", "c": "undefined"}, "a=&b=&c="),
        ({"a": True, "b": False}, "a=true&b=false"),
        ({"a": 0, "b": -5}, "a=0&b=-5"),
        ({"a": Decimal("3000.0"), "b": Decimal("1.50"), "c": Decimal("1E3")}, "a=3000&b=1.5&c=1000"),
        ({"a": [{"z": 1, "b": "đ"}, "t", None]}, 'a=[{"b":"đ","z":1},"t",null]'),
        ({"a": []}, "a=[]"),
    ],
)
def test_canonical(fields: dict[str, object], text: str) -> None:
    assert canonical(fields) == text


def test_link_signature_covers_exactly_the_five_fields_in_order() -> None:
    text = "amount=2000&cancelUrl=https://a/c&description=VQRIO123&orderCode=123&returnUrl=https://a/r"
    assert (
        sign_link(
            amount=2000,
            cancel_url="https://a/c",
            description="VQRIO123",
            order_code=123,
            return_url="https://a/r",
            key=KEY,
        )
        == hmac.new(KEY, text.encode(), sha256).hexdigest()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"amount": None},
        {"amount": "3000"},
        {"amount": 3000.5},
        {"amount": True},
        {"amount": 2**53},
        {"currency": "USD"},
        {"code": "01"},
        {"reference": ""},
        {"reference": None},
        {"reference": "x" * 101},
        {"accountNumber": " "},
        {"description": ["a"]},
        {"description": "a\0b"},
        {"transactionDateTime": "2023-02-30 18:25:00"},
        {"transactionDateTime": ""},
        {"transactionDateTime": "0001-01-01 00:00:00"},
        {"orderCode": "12"},
    ],
)
def test_signed_but_unreadable(change: dict[str, object]) -> None:
    data = copy.deepcopy(DATA) | change
    raw = json.dumps({"data": data, "signature": "-"}).encode()
    with pytest.raises(UnreadableNotificationError):
        PayOs().read(raw)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"data": 1}', b'{"data": []}', b'{"data": {}}'])
def test_unreadable_bodies(raw: bytes) -> None:
    with pytest.raises(UnreadableNotificationError):
        PayOs().read(raw)


def test_virtual_account_zone_and_whole_fraction_are_read() -> None:
    data = DATA | {
        "virtualAccountNumber": "V1",
        "transactionDateTime": "2023-02-04T11:25:00Z",
        "amount": 3000.0,
    }
    paid = PayOs().read(body(data, "-"))
    assert paid.accounts == ("12345678", "V1")
    assert paid.paid_at == datetime(2023, 2, 4, 11, 25, tzinfo=UTC)
    assert paid.amount.minor == 3000


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=8)
    | st.floats(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values | st.fixed_dictionaries({"data": json_values, "signature": json_values}))
def test_fuzzed_json_is_judged_without_a_crash(value: object) -> None:
    raw = json.dumps(value).encode()
    for judge in (lambda: PayOs().verify(raw, {}, KEY, NOW), lambda: PayOs().read(raw)):
        with contextlib.suppress(DomainError):
            judge()


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=6),
        st.integers() | st.text(st.characters(codec="utf-8")),
    )
)
def test_what_is_signed_here_verifies_here(data: dict[str, object]) -> None:
    PayOs().verify(body(data), {}, KEY, NOW)


@given(st.binary(max_size=200))
def test_fuzzed_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(ForgedNotificationError):
        PayOs().verify(raw, {}, KEY, NOW)
