"""A shift at a till from the command line, as far as the bank's statement."""

from pathlib import Path

from demo.bank_statements import camt
from tests.service.test_selling_cli import run, shop

__all__ = ["run", "shop"]


def test_a_day_of_a_conductor(run, shop, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LIENTHONG_TOPUP_ACCOUNT", "0011001234567")
    card = shop.card()
    assert run("till", "add", "bus-12", "conductor", "--most", "2000000").startswith("0 ")
    assert "bus-12: open" in run("till", "open", "bus-12", "lan")
    assert run("till", "topup", "bus-12", str(card.serial), "50000", by="lan").startswith("0 ")
    assert "\npass " in run(
        "passes", "sell", str(card.serial), "metro_day", "--scope", "metro_2a", "--till", "bus-12"
    )
    assert "remitted 60,000 VND" in run("till", "remit", "bus-12", "60000", by="lan")
    assert "counted 29,000 VND: lacks 1,000 VND" in run("till", "count", "bus-12", "29000", by="lan")
    assert "another person must close" in run("till", "close", "bus-12", by="lan")
    assert "closed" in run("till", "close", "bus-12", by="binh")
    assert "still lacks" in run("till", "make-good", "lan", "400")
    assert "cash office: 89,400 VND" in run("till", "list")
    assert run("till", "deposit", "89400", "--slip", "SLIP0001").startswith("0 ")
    assert "cash office: 0 VND" in run("till", "list")
    day = shop.now.date().isoformat()
    movement = {
        "amount": 89_400, "paid_at": shop.now.isoformat(), "reference": "SLIP0001", "description": "nop tien mat",
    }  # fmt: skip
    statement = {"id": "1", "account": "0011001234567", "opening": 0, "day": day, "movements": [movement]}
    (tmp_path / "day.xml").write_bytes(camt([statement]))
    assert "1 movements" in run("reconcile", "take", str(tmp_path))
    assert "bookings: 1" in run("reconcile", "run")
    trial = run("ledger", "trial")
    assert "cash_office" in trial, "its books are there to be looked at"
