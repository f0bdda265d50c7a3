"""pain.001 out: valid by the published schemas, with right counts and sums, or refused.

The schemas come from the test-only package `sepaxml` (MIT), which carries ISO 20022's own files.
"""

from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from kernel.money import VND, Money, currency
from ledger.rails.pain001 import Batch, Party, Payment, UnwritablePaymentError, Version, write_pain001

NOW = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)
ACCOUNT = Party(name="Trung tâm Quản lý giao thông", account="0011001234567", bic="BFTVVNVX")


def schema(version: Version) -> etree.XMLSchema:
    return etree.XMLSchema(
        etree.fromstring(files("sepaxml").joinpath(f"schemas/{version.value}.xsd").read_bytes())
    )


SCHEMAS = {version: schema(version) for version in Version}


def payment(number: int = 1, **fields: Any) -> Payment:
    made: dict[str, Any] = {
        "end_to_end": f"LT-20261118-{number}",
        "amount": Money(50_000, VND),
        "creditor": Party(name="Transerco", account="0021000000001", bic="BIDVVNVX"),
        "text": "Quyết toán ngày 18/11/2026",
    }
    return Payment(**made | fields)


def batch(*payments: Payment, **fields: Any) -> Batch:
    made: dict[str, Any] = {"batch_id": "B1", "execute_on": date(2026, 11, 19), "debtor": ACCOUNT}
    return Batch(**made | fields, payments=payments)


def find(raw: bytes, name: str) -> list[str]:
    return [element.text or "" for element in etree.fromstring(raw).iter(f"{{*}}{name}")]


@pytest.mark.parametrize("version", Version)
def test_valid_with_counts_and_sums(version: Version) -> None:
    raw = write_pain001(
        "M1",
        (batch(payment(1), payment(2, amount=Money(7, VND))), batch(payment(3, text=""), batch_id="B2")),
        created_at=NOW,
        version=version,
    )
    SCHEMAS[version].assertValid(etree.fromstring(raw))
    assert find(raw, "NbOfTxs") == ["3", "2", "1"]
    assert find(raw, "CtrlSum") == ["100007", "50007", "50000"]
    assert find(raw, "Ustrd")[0] == "Quyet toan ngay 18/11/2026"
    assert find(raw, "CreDtTm") == ["2026-11-18T20:00:00Z"]


@pytest.mark.parametrize("version", Version)
@given(
    amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=8),
    name=st.text(min_size=1, max_size=70).filter(
        lambda text: text.isprintable() and text[0].isascii() and text.strip()
    ),
    text=st.text(max_size=70),
    unit=st.sampled_from(["VND", "USD", "BHD"]),
)
def test_whatever_is_written_is_valid_and_adds_up(
    version: Version, amounts: list[int], name: str, text: str, unit: str
) -> None:
    paid = [
        payment(
            n, amount=Money(minor, currency(unit)), text=text, creditor=Party(name="A" + name, account="1")
        )
        for n, minor in enumerate(amounts)
    ]
    raw = write_pain001("M1", (batch(*paid),), created_at=NOW, version=version)
    SCHEMAS[version].assertValid(etree.fromstring(raw))
    assert find(raw, "NbOfTxs") == [str(len(amounts))] * 2
    for said in find(raw, "CtrlSum"):
        assert Money.parse(said, currency(unit)).minor == sum(amounts)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"end_to_end": ""}, "end_to_end"),
        ({"end_to_end": "x" * 36}, "end_to_end"),
        ({"end_to_end": "Nạp"}, "end_to_end"),
        ({"end_to_end": "/leading"}, "end_to_end"),
        ({"amount": Money(0, VND)}, "amount"),
        ({"amount": Money(-1, VND)}, "amount"),
        ({"amount": Money(10**18, VND)}, "amount"),
        ({"amount": Money(10**18, currency("EUR"))}, "amount"),
        ({"text": "x" * 141}, "text"),
        ({"creditor": Party(name="", account="1")}, "creditor"),
        ({"creditor": Party(name="x" * 141, account="1")}, "creditor"),
        ({"creditor": Party(name="x", account="")}, "account"),
        ({"creditor": Party(name="x", account="1 2")}, "account"),
        ({"creditor": Party(name="x", account="1", bic="SHORT")}, "bic"),
        ({"creditor": Party(name="🎉", account="1")}, "creditor"),  # nothing of it is left in SWIFT's letters
        (
            {"creditor": Party(name="x", account="DE00370400440532013000")},
            "account",
        ),  # MOD 97-10 of ISO 13616
    ],
)
def test_what_would_not_be_valid_is_refused(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(UnwritablePaymentError) as refused:
        write_pain001("M1", (batch(payment(**wrong)),), created_at=NOW)
    assert refused.value.fields["field"] == field


@pytest.mark.parametrize(
    ("batches", "field"),
    [
        ((), "payments"),
        ((batch(),), "payments"),
        ((batch(payment()), batch(payment(), batch_id="B2")), "end_to_end"),
        ((batch(payment(1)), batch(payment(2))), "batch_id"),
        ((batch(payment(1), payment(2, amount=Money(1, currency("USD")))),), "amount"),
        ((batch(payment(1, amount=Money(10**18 - 1, VND)), payment(2)),), "amount"),
    ],
)
def test_files_that_contradict_themselves_are_refused(batches: tuple[Batch, ...], field: str) -> None:
    with pytest.raises(UnwritablePaymentError) as refused:
        write_pain001("M1", batches, created_at=NOW)
    assert refused.value.fields["field"] == field
