"""E-invoices of rights to park: the whole price at the sale, what was kept once one is given back."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import OperatorId
from kernel.service_day import local_date
from ledger import close_period, invoice
from ledger.rules.book_day import ZONE
from ledger.rules.invoice import InvoiceState, Series, TaxRate
from parking.invoice_lines import invoice_drafts
from parking.sell_pass import assign, end
from tests.parking.test_sell_pass import MINUTE, asking, parked, products

__all__ = ["products"]
KEY = SigningKey.generate()


@pytest.fixture
def series(tx: Connection, now) -> None:
    asked = Series(
        operator_id=OperatorId("dongda-parking"), symbol="C26TPK", house="parking", template=1,
        tax_rate=TaxRate.TEN, seller_name="Bãi xe Đống Đa", seller_tax_code="0100105327", seller_address="Hà Nội",
    )  # fmt: skip
    invoice.open_series(tx, asked, by="lan", now=now)


def close(tx: Connection, now) -> None:
    close_period.close(tx, local_date(now, ZONE), now, signer=KEY)


def bring(tx: Connection, day: date, now) -> invoice.Brought:
    return invoice.bring(tx, list(invoice_drafts(tx, day)), now)


def told(tx: Connection, right_id: UUID) -> list[tuple[int, int, str]]:
    return [(one.number, one.total.minor, one.state.value) for one in invoice.list_of(tx, right_id)]


def test_a_season_pass_is_invoiced_whole_at_its_sale_and_its_stays_are_not(tx, products, series, issue, now):
    holder = issue(400_000)
    asked = asking(now, holder.account)
    assign(tx, asked, actor="t", now=now)
    parked(tx, holder, now + MINUTE, now + 61 * MINUTE)
    made = bring(tx, now.date(), now).issued
    assert [(one.subject_id, one.total.minor, one.tax.minor) for one in made] == [
        (asked.right_id, 310_000, 28_182)
    ]
    (one,) = made
    assert (one.operator_id, one.plate, one.replaces) == ("dongda-parking", None, None)
    assert one.facts["product"] == "month"
    assert one.facts["valid_to"] == (now + timedelta(days=31)).astimezone(ZONE).isoformat(timespec="minutes")
    assert bring(tx, now.date(), now) == invoice.Brought()


def test_a_pass_given_back_in_part_is_replaced_by_what_was_kept(tx, products, series, issue, now):
    asked = asking(now, issue(310_000).account)
    assign(tx, asked, actor="t", now=now)
    bring(tx, now.date(), now)
    close(tx, now + timedelta(days=1))
    later = now + timedelta(days=21)
    end(tx, asked.right_id, note="moved", actor="t", now=later)
    assert bring(tx, later.date(), later).replaced == 1
    assert told(tx, asked.right_id) == [(1, 310_000, "replaced"), (2, 210_000, "issued")]
    first, second = invoice.list_of(tx, asked.right_id)
    assert second.replaces == first.invoice_id
    assert second.facts["valid_to"] == later.astimezone(ZONE).isoformat(timespec="minutes")
    assert bring(tx, later.date(), later) == invoice.Brought()
    assert invoice.gaps(tx) == ()


def test_a_pass_given_back_before_it_begins_is_cancelled(tx, products, series, issue, now):
    begins = now + timedelta(days=2)
    asked = asking(now, issue(310_000).account, valid_from=begins, valid_to=begins + timedelta(days=31))
    assign(tx, asked, actor="t", now=now)
    bring(tx, now.date(), now)
    end(tx, asked.right_id, note="changed mind", actor="t", now=now + MINUTE)
    assert bring(tx, now.date(), now).cancelled == 1
    assert told(tx, asked.right_id) == [(1, 310_000, "cancelled")]


def test_a_pass_sold_and_given_back_before_anything_was_issued_takes_no_number(
    tx, products, series, issue, now
):
    begins = now + timedelta(days=2)
    asked = asking(now, issue(310_000).account, valid_from=begins, valid_to=begins + timedelta(days=31))
    assign(tx, asked, actor="t", now=now)
    end(tx, asked.right_id, note="changed mind", actor="t", now=now + MINUTE)
    assert bring(tx, now.date(), now) == invoice.Brought()
    assert [one.next_number for one in invoice.list_series(tx)] == [1]


def test_what_is_with_the_tax_authority_waits_for_its_answer(tx, products, series, issue, now):
    asked = asking(now, issue(310_000).account)
    assign(tx, asked, actor="t", now=now)
    (made,) = bring(tx, now.date(), now).issued
    invoice.sent(tx, invoice.outbox(tx, limit=9), now)
    end(tx, asked.right_id, note="moved", actor="t", now=now + timedelta(hours=1))
    assert bring(tx, now.date(), now).waiting == 1
    invoice.answered(tx, made.invoice_id, accepted=True, note="M1", now=now)
    assert bring(tx, now.date(), now).replaced == 1
    assert [one.state for one in invoice.list_of(tx, asked.right_id)] == [
        InvoiceState.REPLACED,
        InvoiceState.ISSUED,
    ]


def test_what_costs_nothing_asks_for_no_invoice(tx, products, series, issue, now):
    assign(tx, asking(now, issue().account, spec_id="free", right_id=uuid4()), actor="t", now=now)
    assert list(invoice_drafts(tx, now.date())) == []
