"""SePay-shaped notifications: signed or with an API key, with an accumulated balance."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.money import VND, Money
from ledger.rails.notification import (
    ForgedNotificationError,
    StaleNotificationError,
    UnreadableNotificationError,
)
from ledger.rails.sepay import HEADER, SIGNATURE, SIGNED_AT, SePay, sign

KEY = b"a key of ours"
NOW = datetime(2026, 11, 18, tzinfo=UTC)
# SePay documentation, "Tích hợp WebHooks": the sample body
BODY: dict[str, Any] = {
    "id": 92704,
    "gateway": "Vietcombank",
    "transactionDate": "2023-03-25 14:02:37",
    "accountNumber": "0123499999",
    "code": None,
    "content": "chuyen tien mua iphone",
    "transferType": "in",
    "transferAmount": 2277000,
    "accumulated": 19077000,
    "subAccount": None,
    "referenceCode": "MBVCB.3278907687",
    "description": "",
}


def raw(**changed: Any) -> bytes:
    return json.dumps(BODY | changed).encode()


def test_official_sample_reads() -> None:
    told = SePay().read(raw())
    assert (told.identity, told.reference, told.accounts) == ("92704", "MBVCB.3278907687", ("0123499999",))
    assert (told.amount, told.running_balance) == (Money(2_277_000, VND), Money(19_077_000, VND))
    assert told.paid_at == datetime(2023, 3, 25, 7, 2, 37, tzinfo=UTC)
    assert told.description == "chuyen tien mua iphone"


def test_money_out_is_negative_and_a_code_is_kept() -> None:
    told = SePay().read(raw(transferType="out", accumulated=0, code="LT123", subAccount="VA1"))
    assert (told.amount.minor, told.running_balance, told.description) == (
        -2_277_000,
        None,
        "chuyen tien mua iphone LT123",
    )
    assert told.accounts == ("0123499999", "VA1")


@pytest.mark.parametrize("given", ["Apikey a key of ours", "apikey  a key of ours ", "APIKEY a key of ours"])
def test_our_key_is_taken(given: str) -> None:
    SePay().verify(raw(), {HEADER: given}, KEY, NOW)


@pytest.mark.parametrize(
    "given", ["", "Apikey", "Apikey ", "Bearer a key of ours", "Apikey another", "Apikey A key of ours"]
)
def test_any_other_is_forged(given: str) -> None:
    with pytest.raises(ForgedNotificationError):
        SePay().verify(raw(), {HEADER: given}, KEY, NOW)
    with pytest.raises(ForgedNotificationError):
        SePay().verify(raw(), {}, KEY, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"transferAmount": None},
        {"transferAmount": -5},
        {"transferAmount": 1.5},
        {"transferType": "both"},
        {"transferType": None},
        {"id": None},
        {"accountNumber": ""},
        {"transactionDate": "yesterday"},
    ],
)
def test_bodies_that_tell_of_no_movement(changed: dict[str, Any]) -> None:
    with pytest.raises(UnreadableNotificationError):
        SePay().read(raw(**changed))


SENT = str(int(NOW.timestamp()))


def test_a_signature_over_time_and_raw_bytes_is_taken() -> None:
    assert sign(b'{"id":1}', "1750000000", b"key") == (
        "sha256=bd2c3e94238d3e40015c1ccc3486066180975b94a02c133d3881366d7e063275"
    )  # printf '1750000000.{"id":1}' | openssl dgst -sha256 -hmac key
    for given in (sign(raw(), SENT, KEY), sign(raw(), SENT, KEY).upper().replace("SHA256", "sha256")):
        SePay().verify(raw(), {SIGNATURE: given, SIGNED_AT: SENT}, KEY, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {SIGNATURE: sign(raw(), SENT, KEY)},
        {SIGNATURE: sign(raw(), SENT, b"another"), SIGNED_AT: SENT},
        {SIGNATURE: sign(raw(id=1), SENT, KEY), SIGNED_AT: SENT},
        {SIGNATURE: sign(raw(), SENT, KEY), SIGNED_AT: str(int(SENT) + 1)},
        {SIGNATURE: sign(raw(), SENT, KEY)[7:], SIGNED_AT: SENT},
        {
            SIGNATURE: "",
            SIGNED_AT: SENT,
            HEADER: "Apikey a key of ours",
        },  # what is signed is judged by that alone
        {SIGNATURE: sign(raw(), "now", KEY), SIGNED_AT: "now"},
    ],
)
def test_a_signature_of_anything_else_is_forged(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedNotificationError):
        SePay().verify(raw(), headers, KEY, NOW)


@pytest.mark.parametrize("late", [-301, 301])
def test_a_signature_of_another_time_is_stale(late: int) -> None:
    sent = str(int(SENT) + late)
    with pytest.raises(StaleNotificationError):
        SePay().verify(raw(), {SIGNATURE: sign(raw(), sent, KEY), SIGNED_AT: sent}, KEY, NOW)
