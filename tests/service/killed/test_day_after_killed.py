"""What follows a settled day, every command killed with -9 at its commit: the payout, and the e-invoices."""

import pytest
from lxml import etree

from ledger import invoice
from ledger.rules import chart
from tests.played import DAY, play_a_day, sign_terms

DAY_TEXT = DAY.isoformat()
SERIES = (
    "invoice", "series", "transerco", "C26TLT", "--house", "fare", "--tax", "KCT",
    "--name", "Transerco", "--tax-code", "0100105327", "--address", "Hà Nội",
)  # fmt: skip


@pytest.fixture
def settled(app, keyring, now):
    """Transerco is due 18,000 of a day's fares, the depot 2,000; both may be paid."""
    shares = [{"house": "fare", "route": "*", "to": "depot", "per_mille": 100}]
    sign_terms(app, "transerco", now, shares=shares)
    sign_terms(app, "depot", now)
    play_a_day(app, keyring, now)


def balances(shop) -> tuple[int, int]:
    return shop.balance(chart.operator_payable("transerco")), shop.balance(chart.payout_transit())


def test_a_day_is_paid_out_once_and_undone_once(settled, office, insist, shop, proven, tmp_path):
    def pay(name: str) -> bytes:
        insist("payout", "prepare", DAY_TEXT)
        insist("payout", "approve", DAY_TEXT, "--total", "20000", by="binh")
        insist("payout", "release", DAY_TEXT, "--out", str(tmp_path / name))
        return (tmp_path / name).read_bytes()

    first = pay("first.xml")
    assert balances(shop) == (0, 20_000)
    office.run("payout", "release", DAY_TEXT, "--out", str(tmp_path / "again.xml"))
    assert (tmp_path / "again.xml").read_bytes() == first
    assert {node.text for node in etree.fromstring(first).iter("{*}InstdAmt")} == {"18000", "2000"}
    proven()

    insist("payout", "undo", DAY_TEXT, "--note", "the bank was not told")
    insist("payout", "sign-undo", DAY_TEXT, by="binh")
    assert balances(shop) == (18_000, 0)
    second = pay("second.xml")
    assert second != first, "the bank knows the first one's name already"
    assert balances(shop) == (0, 20_000)
    insist("payout", "executed", DAY_TEXT, "--note", "FT26323000123")
    assert office.died >= 9 or office.when == "moment", "each died at least once"
    proven()


def test_invoices_have_no_gap_and_go_out_once(settled, office, insist, shop, proven, tmp_path):
    insist(*SERIES)
    issue, send = ("invoice", "issue", DAY_TEXT), ("invoice", "send")
    insist(*issue)
    insist(*send)
    assert office.died >= 5 or office.when == "moment", "a series, two numbers and two documents"
    with shop.running.database.read() as tx:
        found = invoice.list_invoices(tx)
        assert invoice.gaps(tx) == ()
        (series,) = invoice.list_series(tx)
        steps = [[one.event for one in invoice.list_steps(tx, each.invoice_id)] for each in found]
    assert sorted(one.number for one in found) == [1, 2]
    assert len({one.subject_id for one in found}) == 2
    assert sum(one.total.minor for one in found) == 20_000
    assert series.next_number == 3
    assert [[str(event) for event in one] for one in steps] == [["sent"], ["sent"]]

    out = tmp_path / "invoices/out/transerco"
    named = {path.name: path.read_bytes() for path in out.glob("*.xml")}
    assert sorted(named) == ["hd-C26TLT-00000001.xml", "hd-C26TLT-00000002.xml"]
    assert all(etree.fromstring(content) is not None for content in named.values())
    answers = tmp_path / "invoices/answers"
    answers.mkdir()
    rows = "".join(f"{one.invoice_id},accepted,M{one.number}\n" for one in found)
    (answers / "1.csv").write_text(f"invoice_id,verdict,note\n{rows}")
    insist("invoice", "answers")
    insist("invoice", "cancel", str(found[0].invoice_id), "--reason", "the ride was undone")
    insist(*issue)
    insist(*send)
    assert b"no number is missing" in office.run("invoice", "list", "--day", DAY_TEXT).out
    assert [path.name for path in out.glob("huy-*.xml")] == [f"huy-C26TLT-{found[0].number:08d}.xml"]
    proven()
