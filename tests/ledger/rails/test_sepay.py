"""SePay-shaped notifications: authenticated by an API key, with an accumulated balance."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.money import VND, Money
from ledger.rails.notification import ForgedNotificationError, UnreadableNotificationError
from ledger.rails.sepay import HEADER, SePay

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
