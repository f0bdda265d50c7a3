"""A conductor's shifts, every command of them killed with -9 at its commit: each đồng is taken and handed on once."""

from sqlalchemy import text

from ledger.rules import chart


def test_shifts_come_out_once(office, insist, shop, proven):
    shop.publish()
    card = shop.card()
    serial = str(card.serial)
    insist("till", "add", "bus-12", "conductor", "--most", "2000000")
    insist("till", "open", "bus-12", "lan")
    insist("till", "topup", "bus-12", serial, "50000", by="lan")
    insist("passes", "sell", serial, "metro_day", "--scope", "metro_2a", "--till", "bus-12", by="lan")
    insist("till", "remit", "bus-12", "60000", by="lan")
    assert b"lacks 1,000 VND" in insist("till", "count", "bus-12", "29000", by="lan").out
    insist("till", "close", "bus-12", by="binh")
    insist("till", "open", "bus-12", "mai", "--float", "20000")
    insist("till", "topup", "bus-12", serial, "30000", by="mai")
    insist("till", "count", "bus-12", "50000", by="mai")
    insist("till", "close", "bus-12", by="binh")
    insist("till", "make-good", "lan", "400")
    insist("till", "deposit", "100000", "--slip", "SLIP0001")
    assert office.died >= 13 or office.when == "moment", "each died at least once"

    assert shop.purse(card) == 80_000
    assert shop.balance(chart.till("bus-12")) == 0
    assert shop.balance(chart.agent_shortage("lan")) == 600
    with shop.running.database.read() as tx:
        kinds = dict(tx.execute(text("SELECT kind, count(*) FROM ledger_line GROUP BY kind")).all())
        sold = tx.execute(text("SELECT count(*) FROM fare_pass")).scalar_one()
    assert sold == 1
    assert kinds["topup.cash"] == 2
    assert kinds["till.remitted"] == 1
    assert kinds["till.float"] == 1
    assert kinds["till.closed"] == 3, "cash to the office twice, and once what lacked"
    assert b"cash office: 19,400 VND" in office.run("till", "list").out
    proven()
