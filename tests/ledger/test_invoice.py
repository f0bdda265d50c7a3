"""E-invoices: states, what a changed charge asks, and numbers without a gap under eight connections."""

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from kernel.ids import OperatorId
from kernel.money import VND, Money
from ledger import invoice
from ledger.rails.einvoice import (
    write_cancellation,
)
from ledger.rules.invoice import (
    JOB,
    LAST_NUMBER,
    Draft,
    InvoiceSeriesError,
    InvoiceState,
    InvoiceStateError,
    Series,
    SeriesDiffersError,
    TaxRate,
    UnknownInvoiceError,
)

from .conftest import NOW

SERIES = Series(
    operator_id=OperatorId("transerco"),
    symbol="C26TLT",
    house="fare",
    template=1,
    tax_rate=TaxRate.TEN,
    seller_name="Tổng công ty Vận tải Hà Nội",
    seller_tax_code="0100105327",
    seller_address="Hà Nội",
)


def a_draft(total: int = 10_000, subject: UUID | None = None, **changed) -> Draft:
    values = {
        "operator_id": OperatorId("transerco"),
        "house": "fare",
        "subject_id": subject or uuid4(),
        "happened_at": NOW,
        "total": Money(total, VND),
        "title": "Vận chuyển hành khách, tuyến 26",
        "plate": "29B-101.26",
        "facts": {"route": "26"},
    }
    return Draft(**values | changed)


@pytest.fixture
def series(tx):
    return invoice.open_series(tx, SERIES, by="lan", now=NOW)


def issued(tx, draft):
    (made,) = invoice.bring(tx, [draft], NOW).issued
    return made


def stated(tx, made, *events: str):
    """Walk an invoice on: sent, accepted, refused."""
    for event in events:
        if event == "sent":
            invoice.sent(
                tx, [one for one in invoice.outbox(tx, limit=100) if one.invoice_id == made.invoice_id], NOW
            )
        else:
            invoice.answered(tx, made.invoice_id, accepted=event == "accepted", note="", now=NOW)
    return invoice.get(tx, made.invoice_id)


# numbers


def test_numbers_run_from_one_and_belong_to_their_ride(tx, series):
    drafts = [a_draft(1_000 * n) for n in range(1, 4)]
    made = invoice.bring(tx, drafts, NOW).issued
    assert [one.number for one in made] == [1, 2, 3]
    assert made[0].name == "C26TLT-00000001"
    assert invoice.bring(tx, drafts, NOW) == invoice.Brought()
    assert [one.number for one in invoice.list_of(tx, drafts[1].subject_id)] == [2]
    assert invoice.gaps(tx) == ()


def test_a_series_opens_once_with_its_facts(tx, series):
    issued(tx, a_draft())
    assert invoice.open_series(tx, SERIES, by="minh", now=NOW).next_number == 2
    with pytest.raises(SeriesDiffersError, match="tax_rate"):
        invoice.open_series(tx, replace(SERIES, tax_rate=TaxRate.EIGHT), by="lan", now=NOW)


@pytest.mark.parametrize("draft", [a_draft(house="parking"), a_draft(operator_id=OperatorId("other"))])
def test_without_a_series_nothing_of_the_call_is_issued(tx, series, draft):
    with pytest.raises(InvoiceSeriesError), tx.begin_nested():
        invoice.bring(tx, [a_draft(), draft], NOW)
    assert invoice.list_invoices(tx) == ()


def test_a_year_has_its_own_series(tx, series):
    """The year ends at midnight in Hanoi, not in Greenwich."""
    last = datetime(2026, 12, 31, 16, 59, tzinfo=UTC)
    assert invoice.bring(tx, [a_draft()], last).issued[0].symbol == "C26TLT"
    with pytest.raises(InvoiceSeriesError):
        invoice.bring(tx, [a_draft()], last + timedelta(minutes=1))


def test_a_full_series_goes_on_in_the_next(tx, series):
    tx.execute(text("UPDATE ledger_invoice_series SET next_number = :last"), {"last": LAST_NUMBER})
    later = replace(SERIES, symbol="C26TLU")
    invoice.open_series(tx, later, by="lan", now=NOW + timedelta(seconds=1))
    made = invoice.bring(tx, [a_draft(), a_draft()], NOW).issued
    assert [(one.symbol, one.number) for one in made] == [("C26TLT", LAST_NUMBER), ("C26TLU", 1)]


def test_a_number_never_goes_back_and_an_end_is_final(tx, series):
    made = issued(tx, a_draft())
    for statement in (
        "UPDATE ledger_invoice_series SET next_number = 1",
        "DELETE FROM ledger_invoice",
        "UPDATE ledger_invoice SET number = 7",
        "UPDATE ledger_invoice SET total = 7",
    ):
        with pytest.raises(Exception, match=r"never goes back|permission denied"), tx.begin_nested():
            tx.execute(text(statement))
    invoice.cancel(tx, made.invoice_id, reason="twice", by="staff:lan", now=NOW)
    with pytest.raises(Exception, match="has ended"), tx.begin_nested():
        tx.execute(text("UPDATE ledger_invoice SET state = 'issued', ended_by = ''"))


# a charge that changes


def test_a_changed_charge_replaces_and_one_of_nothing_cancels(tx, series):
    subject = uuid4()
    first = issued(tx, a_draft(10_000, subject))
    stated(tx, first, "sent", "accepted")
    done = invoice.bring(tx, [a_draft(7_000, subject)], NOW)
    (second,) = done.issued
    assert (done.replaced, second.replaces, second.number, second.revision) == (1, first.invoice_id, 2, 2)
    assert invoice.get(tx, first.invoice_id).state is InvoiceState.REPLACED
    assert invoice.bring(tx, [a_draft(0, subject)], NOW).cancelled == 1
    gone = invoice.get(tx, second.invoice_id)
    assert (gone.state, gone.ended_by, gone.notice_due) == (InvoiceState.CANCELLED, JOB, False)
    assert invoice.bring(tx, [a_draft(0, subject)], NOW) == invoice.Brought()
    (third,) = invoice.bring(tx, [a_draft(7_000, subject)], NOW).issued
    assert (third.number, third.replaces, third.revision) == (3, None, 3)


def test_what_is_with_the_authority_waits_for_its_answer(tx, series):
    subject = uuid4()
    made = issued(tx, a_draft(10_000, subject))
    stated(tx, made, "sent")
    assert invoice.bring(tx, [a_draft(7_000, subject)], NOW).waiting == 1
    stated(tx, made, "refused")
    assert invoice.bring(tx, [a_draft(7_000, subject)], NOW).replaced == 1


def test_a_cancelled_one_that_was_accepted_owes_a_notice_once(tx, series):
    made = issued(tx, a_draft())
    stated(tx, made, "sent", "accepted")
    for _ in range(2):
        gone = invoice.cancel(tx, made.invoice_id, reason="the ride was undone", by="staff:lan", now=NOW)
    assert gone.notice_due
    (waiting,) = invoice.outbox(tx, limit=10)
    assert "the ride was undone" in write_cancellation(waiting, SERIES, "the ride was undone").decode()
    invoice.sent(tx, [waiting], NOW)
    assert invoice.outbox(tx, limit=10) == ()
    assert invoice.get(tx, made.invoice_id).state is InvoiceState.CANCELLED


def test_amending_a_plate_replaces_and_survives_a_change_of_the_charge(tx, series):
    subject = uuid4()
    made = issued(tx, a_draft(10_000, subject))
    better = invoice.amend(tx, made.invoice_id, plate="29B-101.27", title="", by="staff:lan", now=NOW)
    assert (better.plate, better.total, better.replaces) == ("29B-101.27", made.total, made.invoice_id)
    assert (
        invoice.amend(tx, better.invoice_id, plate="29B-101.27", title="", by="staff:lan", now=NOW) == better
    )
    assert invoice.bring(tx, [a_draft(10_000, subject)], NOW) == invoice.Brought()
    (cheaper,) = invoice.bring(tx, [a_draft(9_000, subject)], NOW).issued
    assert cheaper.plate == "29B-101.27"
    with pytest.raises(InvoiceStateError):
        invoice.amend(tx, made.invoice_id, plate="x", title="", by="staff:lan", now=NOW)


def test_answers_are_written_down_once(tx, series):
    made = issued(tx, a_draft())
    with pytest.raises(InvoiceStateError):
        invoice.answered(tx, made.invoice_id, accepted=True, note="", now=NOW)
    stated(tx, made, "sent", "accepted", "accepted")
    assert [one.event for one in invoice.list_steps(tx, made.invoice_id)] == ["sent", "accepted"]
    with pytest.raises(InvoiceStateError):
        invoice.answered(tx, made.invoice_id, accepted=False, note="late", now=NOW)
    with pytest.raises(UnknownInvoiceError):
        invoice.answered(tx, uuid4(), accepted=True, note="", now=NOW)


CHANGES = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 5, 7, 9]), st.booleans()), max_size=12)


@given(CHANGES)
def test_whatever_happens_the_standing_invoices_say_what_is_charged(rolled_back, changes):
    """Charges of three rides change, answers come or not: after the last answer, bringing them up twice settles it."""
    with rolled_back() as tx:
        invoice.open_series(tx, SERIES, by="lan", now=NOW)
        rides = [uuid4() for _ in range(3)]
        charged = [0, 0, 0]
        for ride, total, answer in changes:
            charged[ride] = total
            invoice.bring(tx, [a_draft(total, rides[ride])], NOW)
            out = invoice.outbox(tx, limit=100)
            invoice.sent(tx, out, NOW)
            for one in out if answer else ():
                if one.state is InvoiceState.ISSUED:
                    invoice.answered(tx, one.invoice_id, accepted=total % 2 == 0, note="", now=NOW)
        for one in invoice.list_invoices(tx, state=InvoiceState.SENT):
            invoice.answered(tx, one.invoice_id, accepted=True, note="", now=NOW)
        drafts = [a_draft(total, ride) for total, ride in zip(charged, rides, strict=True)]
        invoice.bring(tx, drafts, NOW)
        assert invoice.bring(tx, drafts, NOW) == invoice.Brought()
        standing = {one.subject_id: one.total.minor for one in invoice.list_invoices(tx) if one.live}
        assert standing == {ride: total for ride, total in zip(rides, charged, strict=True) if total}
        numbers = sorted(one.number for one in invoice.list_invoices(tx))
        assert numbers == list(range(1, len(numbers) + 1))
        assert invoice.gaps(tx) == ()


@pytest.fixture(scope="module")
def rolled_back(clone):
    with clone() as database:

        @contextlib.contextmanager
        def world():
            with database.engine.connect() as connection:
                transaction = connection.begin()
                yield connection
                transaction.rollback()

        yield world


def test_eight_connections_with_rollbacks_leave_no_gap(database):
    """Each of eight clients issues, and gives up every third time; some ask for the same rides."""
    with database.engine.begin() as tx:
        invoice.open_series(tx, SERIES, by="lan", now=NOW)
    shared = [uuid4() for _ in range(20)]
    together = Barrier(8)

    def client(number: int) -> int:
        dice = random.Random(number)
        together.wait()
        kept = 0
        for turn in range(12):
            drafts = [a_draft(1_000) for _ in range(dice.randint(0, 3))]
            drafts += [a_draft(2_000, ride) for ride in dice.sample(shared, 2)]
            with database.engine.connect() as tx:
                made = invoice.bring(tx, drafts, NOW)
                if turn % 3 == 2:
                    tx.rollback()
                else:
                    tx.commit()
                    kept += len(made.issued)
        return kept

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(client, range(8)))
    with database.engine.begin() as tx:
        numbers = sorted(one.number for one in invoice.list_invoices(tx, limit=10_000))
        assert numbers == list(range(1, kept + 1))
        assert invoice.gaps(tx) == ()
        assert invoice.list_series(tx)[0].next_number == kept + 1
        for ride in shared:
            assert len(invoice.list_of(tx, ride)) <= 1


def test_two_senders_share_the_outbox(database):
    with database.engine.begin() as tx:
        invoice.open_series(tx, SERIES, by="lan", now=NOW)
        invoice.bring(tx, [a_draft() for _ in range(10)], NOW)
    with database.engine.begin() as one, database.engine.begin() as other:
        first, second = invoice.outbox(one, limit=6), invoice.outbox(other, limit=6)
        assert {a.number for a in first} | {b.number for b in second} == set(range(1, 11))
        assert not {a.number for a in first} & {b.number for b in second}
