"""The office's commands: tills, codes, batches, disputes, notices, an old scheme's file."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner

from access.issue import get_card
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from service.cli import main
from service.commands import context
from service.services import EXTENSION
from tests.service.sellers import Shop
from tests.service.test_legacy import GOOD, text_of
from tests.service.test_topups_api import notice


@pytest.fixture
def shop(app, client) -> Shop:
    made = Shop(app.extensions[EXTENSION], client)
    made.publish()
    return made


@pytest.fixture
def run(shop, database, keyring, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{shop.now.isoformat()}")
    monkeypatch.setattr(context, "keyring", lambda: keyring)
    person = {"name": "mai"}
    for cached in (context.settings, context.shelf):
        cached.cache_clear()

    def invoke(*words: str, by: str = "mai") -> str:
        person["name"] = by
        monkeypatch.setenv("SUDO_USER", by)
        done = CliRunner().invoke(main, list(words))
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return f"{done.exit_code} {done.output}"

    yield invoke
    for cached in (context.settings, context.shelf):
        cached.cache_clear()


def test_a_till_sells_lists_and_gives_back(run, shop):
    card = shop.card()
    assert "bus_month_all_routes_normal" in run("passes", "on-sale", str(card.serial))
    pass_id = str(uuid4())
    selling = (
        "passes",
        "sell",
        str(card.serial),
        "bus_month_all_routes_normal",
        "--till",
        "kiosk-7",
        "--id",
        pass_id,
    )
    assert run(*selling) == "1 Error: There is no till “kiosk-7”.\n"
    run("till", "add", "kiosk-7", "kiosk", "--most", "300000")
    assert "has no shift: open one" in run(*selling)
    run("till", "open", "kiosk-7", "lan")
    assert shop.balance(chart.till("kiosk-7")) == 0, "nothing was kept of the refused ones"
    sold = run(*selling)
    assert sold.startswith("0 pass ")
    assert shop.balance(chart.till("kiosk-7")) == 280_000
    assert "may hold 300,000 VND and would hold 560,000 VND" in run(*selling[:-2])
    run("till", "count", "kiosk-7", "280000")
    assert "counted cannot be topped_up" in run(*selling[:-2])
    assert run(*selling) == sold, "a repeat is answered in any state of the shift"
    assert "270,666 VND" in run("passes", "refund", str(card.serial), pass_id, "--dry-run")
    assert shop.purse(card) == 0
    refund = ("passes", "refund", str(card.serial), pass_id)
    assert "Give back 270,666 VND" in (asked := run(*refund))
    assert (asked[0], shop.purse(card)) == ("1", 0), "nobody said yes"
    assert run(*refund, "--yes").startswith("0 270,666 VND")
    assert run(*refund).startswith("0 270,666 VND"), "what was given back is told again, and asks nothing"
    (listed,) = json.loads(run("passes", "list", str(card.serial), "--json")[2:])
    assert (listed["paid_by"], listed["refunded"]["minor"], shop.purse(card)) == ("till", 270_666, 270_666)
    assert run("passes", "sell", str(card.serial), "moon", "--till", "kiosk-7").startswith("1 ")


def test_a_pass_is_bought_from_the_balance_once_it_is_confirmed(run, shop):
    card, product = shop.card(), "bus_month_all_routes_normal"
    sell = ("passes", "sell", str(card.serial), product, "--pay", "balance")
    assert run(*sell, "--yes").startswith("1 "), "the balance does not pay for it"
    shop.load(card, 600_000)
    asked = run(*sell)
    assert "Take 280,000 VND from the balance" in asked
    assert (asked[0], shop.purse(card)) == ("1", 600_000), "nobody said yes"
    minted = "019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11"
    assert run(*sell, "--yes", "--id", minted).startswith(f"0 pass {minted}: 280,000 VND")
    assert run(*sell, "--yes", "--id", minted).startswith(f"0 pass {minted}: 280,000 VND")
    assert shop.purse(card) == 320_000, "once, however often it is asked"
    assert "\npass " in run("passes", "renew", str(card.serial), minted, "--pay", "balance", "--yes")
    assert shop.purse(card) == 40_000
    assert {one["paid_by"] for one in listed(run, card)} == {"balance"}


def test_a_refused_scope_says_what_fits_and_by_which_option(run, shop):
    card = shop.card(500_000)
    sell = ("passes", "sell", str(card.serial), "--pay", "balance", "--yes")
    nothing = run(*sell, "metro_day")
    assert (
        "for one network: nothing does not fit; what does: metro_2a, metro_31. Name it with --scope."
        in nothing
    )
    assert "one route: 999 does not fit; what does: 01, 02, 03A" in run(
        *sell, "bus_month_one_route_normal", "--scope", "999"
    )
    everything = run(*sell, "bus_month_all_routes_normal", "--scope", "01")
    assert "for all that it covers: 01 does not fit; what does: no scope. Leave --scope out." in everything
    assert "--scope metro_2a, metro_31" in run("passes", "on-sale", str(card.serial))
    assert shop.purse(card) == 500_000


def test_passes_are_listed_by_the_citys_clock(run, shop):
    card = shop.card(500_000)
    run("passes", "sell", str(card.serial), "metro_day", "--scope", "metro_2a", "--pay", "balance", "--yes")
    begins = shop.now.astimezone(ZONE)
    told = run("passes", "list", str(card.serial))
    assert (
        f"metro_day of metro_2a  {begins:%Y-%m-%d %H:%M} to {begins + timedelta(days=1):%Y-%m-%d} 04:00"
        in told
    )


def test_a_payment_by_vietqr_buys_the_pass_that_was_ordered_at_the_desk(run, shop, client):
    card, minted = shop.card(), "019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a12"
    order = (
        "passes",
        "sell",
        str(card.serial),
        "bus_month_all_routes_normal",
        "--pay",
        "vietqr",
        "--id",
        minted,
    )
    told = run(*order, "--draw")
    assert told.startswith(f"0 pass {minted}: bought once 280,000 VND is paid, reference ")
    assert "A000000727" in told
    assert run(*order).startswith(f"0 pass {minted}"), "again"
    assert listed(run, card) == []
    asked = json.loads(run("topup", "show", minted, "--json")[2:])
    asked["qr"] = {"payload": asked["qr"]}
    for _ in range(2):
        assert client.post("/v1/notifications/payos", data=notice(asked, 280_000)).status_code == 200
    (held,) = listed(run, card)
    assert (held["pass_id"], held["paid_by"], shop.purse(card)) == (minted, "vietqr", 0)


def test_who_sells_says_how_it_is_paid(run, shop):
    sell = ("passes", "sell", str(shop.card().serial), "bus_month_all_routes_normal")
    assert "how is it paid" in run(*sell)
    assert "only then" in run(*sell, "--pay", "balance", "--till", "kiosk-7")
    assert "only then" in run(*sell, "--pay", "till")


def listed(run, card):
    return json.loads(run("passes", "list", str(card.serial), "--json")[2:])


def test_a_code_from_the_command_line_signs_the_rider_in(run, shop, client):
    card = shop.card()
    code = run("card", "rider-code", str(card.serial)).split()[1]
    made = client.post("/v1/riders/sign-in", json={"card_serial": card.serial, "code": code})
    assert made.json["fare_account_id"] == str(card.fare_account_id)


def test_goodwill_takes_two_people(run, shop, tmp_path):
    card, file = shop.card(), tmp_path / "outage.csv"
    file.write_text(f"card_serial,amount\n{card.serial},5000\n")
    asked = ("goodwill", "propose", str(file), "--reason", "outage")
    assert "1 riders, 5,000 VND in all" in run(*asked, "--dry-run")
    batch = run(*asked).split()[1]
    assert "cannot sign" in run("goodwill", "sign", batch, by="mai")
    assert shop.purse(card) == 0
    assert "posted" in run("goodwill", "sign", batch, by="hoa")
    assert "undo_asked" in run("goodwill", "undo", batch, "--note", "wrong", by="hoa")
    assert "cannot sign" in run("goodwill", "sign", batch, by="hoa")
    assert "undone" in run("goodwill", "sign", batch, by="mai")
    assert shop.purse(card) == 0
    assert batch in run("goodwill", "list")
    file.write_text("card_serial,amount\n1,x\n1\nx,5\n1,5,7\n")
    told = run(*asked)
    assert f"{file}:2" in told
    assert f"{file}:3: it has fewer or more cells than the header" in told
    assert f"{file}:4: no card's serial: “x”" in told
    assert f"{file}:5: it has fewer" in told


def test_an_old_scheme_is_taken_on_and_its_dormant_money_listed(run, shop, tmp_path):
    file = tmp_path / "old.csv"
    file.write_bytes(text_of(*GOOD))
    asked = ("legacy", "import", str(file), "--scheme", "old")
    assert "nothing was written" in run(*asked, "--dry-run")
    assert "2 cards and 1 passes are new" in run(*asked)
    assert "0 cards and 0 passes are new\n2 cards were taken on before and stay as they are" in run(*asked)
    assert "small letters" in run("legacy", "import", str(file), "--scheme", "Old card")
    assert "taken on before, as scheme old" in run("legacy", "import", str(file), "--scheme", "older")
    (one,) = json.loads(run("card", "dormant", "--json")[2:])
    assert (one["balance"]["minor"], one["last_used_on"]) == (15_000, "2024-01-05")
    card = tmp_path / "card.json"
    claimed = (
        "legacy",
        "claim",
        "0001",
        "--scheme",
        "old",
        "--uid",
        "04112233445566",
        "--expiry",
        "2030-12-31",
    )
    run(*claimed, "--out", str(card))
    (made,) = json.loads(card.read_text())
    with shop.running.database.read() as tx:
        assert str(get_card(tx, serial=made["serial"]).fare_account_id) == one["fare_account_id"]
    file.write_bytes(text_of(*GOOD[:-1]))
    assert "no control row for pass" in run(*asked)


def test_notices_and_disputes_have_their_commands(run, tmp_path):
    assert run("notices", "collect").startswith("0 0 late_adjustment")
    assert run("notices", "deliver", "--file", str(tmp_path / "n")).startswith("0 0 handed over")
    assert run("notices", "deliver").startswith("1 ")
    assert "0 unanswered" in run("dispute", "list", "--overdue")
