"""The rules and the files of e-invoices: the state table, what a changed charge asks, tax, documents and answers."""

from dataclasses import replace
from uuid import uuid4

import pytest

from kernel.money import VND, Money
from ledger.rails.einvoice import (
    Answer,
    MalformedAnswersError,
    read_answers,
    write_einvoice,
)
from ledger.rules.invoice import (
    JOB,
    TRANSITIONS,
    BadInvoiceError,
    Invoice,
    InvoiceEvent,
    InvoiceState,
    InvoiceStateError,
    Need,
    TaxRate,
    invoice_id,
    need,
    step,
    tax_in,
)

from .conftest import NOW, TODAY
from .test_invoice import SERIES, a_draft

# Written out: a test is named after its parameters, and every worker has to give it the same name.
INVOICE = "019a8f00-0000-7000-8000-000000000001"


def an_invoice(total: int = 10_000, subject=None, **changed) -> Invoice:
    draft = a_draft(total, subject)
    values = {
        "operator_id": draft.operator_id,
        "symbol": SERIES.symbol,
        "number": 1,
        "invoice_id": invoice_id(SERIES, 1),
        "house": draft.house,
        "subject_id": draft.subject_id,
        "revision": 1,
        "replaces": None,
        "issued_on": TODAY,
        "issued_at": NOW,
        "happened_at": draft.happened_at,
        "title": draft.title,
        "plate": draft.plate,
        "facts": draft.facts,
        "total": draft.total,
        "tax": tax_in(draft.total, SERIES.tax_rate),
        "tax_rate": SERIES.tax_rate,
        "state": InvoiceState.ISSUED,
    }
    return Invoice(**values | changed)


@pytest.mark.parametrize("state", list(InvoiceState))
@pytest.mark.parametrize("event", list(InvoiceEvent))
def test_step_follows_the_table_and_refuses_the_rest(state, event):
    made = an_invoice(state=state)
    if event in TRANSITIONS[state]:
        assert step(made, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(InvoiceStateError):
            step(made, event)


NEEDS = [
    # state, ended by, total of the invoice, total of the draft, what it asks
    (None, "", 0, 0, Need.NOTHING),
    (None, "", 0, 1, Need.ISSUE),
    (InvoiceState.ISSUED, "", 5, 5, Need.NOTHING),
    (InvoiceState.ISSUED, "", 5, 4, Need.REPLACE),
    (InvoiceState.ISSUED, "", 5, 0, Need.CANCEL),
    (InvoiceState.SENT, "", 5, 5, Need.NOTHING),
    (InvoiceState.SENT, "", 5, 4, Need.WAIT),
    (InvoiceState.SENT, "", 5, 0, Need.WAIT),
    (InvoiceState.ACCEPTED, "", 5, 5, Need.NOTHING),
    (InvoiceState.ACCEPTED, "", 5, 4, Need.REPLACE),
    (InvoiceState.ACCEPTED, "", 5, 0, Need.CANCEL),
    (InvoiceState.CANCELLED, JOB, 5, 0, Need.NOTHING),
    (InvoiceState.CANCELLED, JOB, 5, 5, Need.ISSUE),
    (InvoiceState.CANCELLED, "staff:lan", 5, 5, Need.NOTHING),
    (InvoiceState.CANCELLED, "staff:lan", 5, 6, Need.ISSUE),
]


@pytest.mark.parametrize(("state", "ended_by", "was", "now_is", "wanted"), NEEDS)
def test_need_of_a_changed_charge(state, ended_by, was, now_is, wanted):
    subject = uuid4()
    current = None
    if state is not None:
        current = an_invoice(was, subject, state=state, ended_by=ended_by)
    assert need(current, a_draft(now_is, subject)) is wanted


@pytest.mark.parametrize(
    ("total", "rate", "tax"),
    [
        (11_000, TaxRate.TEN, 1_000),
        (10_000, TaxRate.TEN, 909),  # 909.09
        (10_000, TaxRate.EIGHT, 741),  # 740.74
        (8_595, TaxRate.FIVE, 409),  # 409.29
        (5, TaxRate.TEN, 0),  # 0.45
        (6, TaxRate.TEN, 1),  # 0.55
        (8_595, TaxRate.NONE, 0),
        (8_595, TaxRate.ZERO, 0),
    ],
)
def test_tax_is_inside_the_price(total, rate, tax):
    assert tax_in(Money(total, VND), rate) == Money(tax, VND)


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": "X26TLT"},
        {"symbol": "C26T1T"},
        {"symbol": "C2026TLT"},
        {"seller_tax_code": "12345"},
        {"seller_tax_code": "0100105327-1"},
        {"seller_name": " "},
        {"seller_address": "a\nb"},
        {"template": 0},
        {"template": 7},
    ],
)
def test_a_series_that_cannot_be_is_refused(wrong):
    with pytest.raises(BadInvoiceError):
        replace(SERIES, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"total": -1},
        {"plate": ""},
        {"plate": "x" * 201},
        {"title": ""},
        {"happened_at": NOW.replace(tzinfo=None)},
    ],
)
def test_a_draft_that_cannot_be_is_refused(wrong):
    with pytest.raises(BadInvoiceError):
        a_draft(**wrong)


def test_the_document_names_transaction_plate_and_what_it_replaces():
    first = an_invoice(11_000)
    second = replace(first, number=2, replaces=first.invoice_id)
    said = write_einvoice(second, SERIES, first).decode()
    for part in (
        "<KHHDon>C26TLT</KHHDon>",
        "<SHDon>2</SHDon>",
        "<SHDCLQuan>1</SHDCLQuan>",
        "<MST>0100105327</MST>",
        "<TgTCThue>10000</TgTCThue>",
        "<TgTThue>1000</TgTThue>",
        "<TgTTTBSo>11000</TgTTTBSo>",
        "29B-101.26",
        str(first.subject_id),
    ):
        assert part in said, part
    assert "TTHDLQuan" not in write_einvoice(first, SERIES).decode()


def test_answers_are_read_whole_or_not_at_all():
    one, two = uuid4(), uuid4()
    good = f"invoice_id,verdict,note\n{one},accepted,A1\n{two},refused,sai mã số thuế\n"
    assert list(read_answers(good.encode())) == [
        Answer(one, accepted=True, note="A1"),
        Answer(two, accepted=False, note="sai mã số thuế"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"invoice_id,verdict\n",
        b"\xff\xfe",
        b"invoice_id,verdict,note\nx,accepted,\n",
        f"invoice_id,verdict,note\n{INVOICE},perhaps,\n".encode(),
        f"invoice_id,verdict,note\n{INVOICE}\n".encode(),
        b'invoice_id,verdict,note\n"x,accepted,\n',
    ],
)
def test_answers_that_cannot_be_read_are_refused(content):
    with pytest.raises(MalformedAnswersError):
        list(read_answers(content))
