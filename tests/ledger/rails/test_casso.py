"""Casso-shaped notifications: a second adapter of another shape, so that the port is proved."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import DomainError
from kernel.money import VND, Money
from ledger.rails.casso import HEADER, Casso, canonical, sign
from ledger.rails.notification import (
    ForgedNotificationError,
    StaleNotificationError,
    UnreadableNotificationError,
)
from ledger.rails.providers import ADAPTERS, UnknownProviderError, adapter

# Casso documentation, webhook v2: the sample body, key and header
KEY = b"mgExMrjj4i7a1p8Cs6LmFbpCd8lbw4sSX4LZXPag7TKazeIogtR90tvWYTkwQbvs"
BODY: dict[str, Any] = {
    "error": 0,
    "data": {
        "id": 0,
        "reference": "MA_GIAO_DICH_THU_NGHIEM",
        "description": "giao dich thu nghiem",
        "amount": 599000,
        "runningBalance": 25000000,
        "transactionDateTime": "2024-10-03 15:06:37",
        "accountNumber": "88888888",
        "bankName": "VPBank",
        "bankAbbreviation": "VPB",
        "virtualAccountNumber": "",
        "virtualAccountName": "",
        "counterAccountName": "NGUYEN VAN A",
        "counterAccountNumber": "8888888888",
        "counterAccountBankId": "970415",
        "counterAccountBankName": "VietinBank",
    },
}
SIGNED = (
    "t=1727948258788,v1=ed0a4bd2e826d5cb69988cdb141e6c1a080e21f3b57eb72cd78192220042b9e7"
    "dde0868fc667faea8e224900fa7904e7c88dfa098032fb2d6b6996856e8b7ff3"
)
SENT = datetime(2024, 10, 3, 9, 37, 38, 788000, tzinfo=UTC)
RAW = json.dumps(BODY).encode()


def test_official_signature() -> None:
    assert sign(BODY, 1727948258788, KEY) == SIGNED
    Casso().verify(RAW, {HEADER: SIGNED}, KEY, SENT)


def test_official_notification_reads() -> None:
    moved = Casso().read(RAW)
    assert moved.amount == Money(599_000, VND)
    assert moved.running_balance == Money(25_000_000, VND)
    assert moved.identity == "0"
    assert moved.order_code is None
    assert moved.paid_at == datetime(2024, 10, 3, 8, 6, 37, tzinfo=UTC)


def test_keys_are_sorted_at_every_depth_and_letters_stay() -> None:
    assert canonical({"b": {"z": 1, "a": "đ/"}, "a": [{"y": 0, "x": None}]}) == (
        '{"a":[{"x":null,"y":0}],"b":{"a":"đ/","z":1}}'
    )


def test_money_out_is_negative() -> None:
    assert Casso().read(json.dumps({"data": BODY["data"] | {"amount": -1000}}).encode()).amount.minor == -1000


@pytest.mark.parametrize("drift", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_replay_window_holds_to_its_edge(drift: timedelta) -> None:
    Casso().verify(RAW, {HEADER: SIGNED}, KEY, SENT + drift)
    beyond = timedelta(milliseconds=1) if drift > timedelta() else timedelta(milliseconds=-1)
    with pytest.raises(StaleNotificationError):
        Casso().verify(RAW, {HEADER: SIGNED}, KEY, SENT + drift + beyond)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1727948258788",
        SIGNED.upper(),
        SIGNED.replace("t=1727948258788", "t=1727948258789"),
        SIGNED[:-1] + "4",
        SIGNED + ",v1=0",
        SIGNED.replace("t=", "t=-"),
    ],
)
def test_forged_headers_are_refused(header: str) -> None:
    with pytest.raises(ForgedNotificationError):
        Casso().verify(RAW, {HEADER: header}, KEY, SENT)


def test_an_impossible_sending_time_is_refused_even_when_signed() -> None:
    with pytest.raises(ForgedNotificationError, match="impossible"):
        Casso().verify(RAW, {HEADER: sign(BODY, 999_999_999_999_999, KEY)}, KEY, SENT)


def test_missing_header_and_changed_body_are_refused() -> None:
    with pytest.raises(ForgedNotificationError):
        Casso().verify(RAW, {}, KEY, SENT)
    with pytest.raises(ForgedNotificationError):
        Casso().verify(RAW.replace(b"599000", b"599001"), {HEADER: SIGNED}, KEY, SENT)


@pytest.mark.parametrize(
    "change", [{"amount": None}, {"id": None}, {"accountNumber": ""}, {"transactionDateTime": "soon"}]
)
def test_unreadable(change: dict[str, object]) -> None:
    with pytest.raises(UnreadableNotificationError):
        Casso().read(json.dumps({"data": BODY["data"] | change}).encode())


@given(st.binary(max_size=120), st.text(max_size=40))
def test_fuzz(raw: bytes, header: str) -> None:
    for judge in (lambda: Casso().verify(raw, {HEADER: header}, KEY, SENT), lambda: Casso().read(raw)):
        with pytest.raises(DomainError):
            judge()


def test_adapters_are_found_by_name() -> None:
    assert {name: found.name for name, found in ADAPTERS.items()} == {
        "payos": "payos",
        "casso": "casso",
        "sepay": "sepay",
    }
    assert adapter("payos") is ADAPTERS["payos"]
    with pytest.raises(UnknownProviderError):
        adapter("paypal")
