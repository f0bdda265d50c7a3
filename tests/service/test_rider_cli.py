"""What a desk does for a card's holder from the command line, each verb end to end over the real books."""

import json
import re
from datetime import date, timedelta
from uuid import uuid4

import pytest

from fare.bill import close_day
from fare.rules.attestation import Verified, sign
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import Purpose
from ledger.rules.book_day import ZONE
from service.commands import context
from tests.service.test_selling_cli import run, shop  # noqa: F401  (fixtures)
from tests.simulation import World, sim_card

VERIFIER = SigningKey.generate()
MAXIMUM, HOP = 18_625, 8_595  # HANOI.md: line 2A without a tap-off, and its first hop


@pytest.fixture
def card(shop):  # noqa: F811
    return shop.card(100_000)


@pytest.fixture
def ridden(shop, card, keyring):  # noqa: F811
    """In at Cát Linh yesterday, and out unseen; the day is closed. Returns the tap."""
    now, running = shop.now, shop.running
    uid = b"\x04shop" + (1).to_bytes(2, "big")
    with running.database.begin() as tx:
        world = World(tx, keyring, now)
        gate = world.reader("gate")
        version = running.shelf.books(tx).current().version
        simulated = sim_card(keyring, uid, serial=card.serial, info=card.info, issued=card)
        at = now - timedelta(hours=10)
        gate.tap(
            simulated, at=at, purpose=Purpose.BOARD, stop_id="2A-cat-linh", place="2A-cat-linh", route_id="2A",
            trip_id="", tariff_version=version,
        )  # fmt: skip
    assert shop.client.post("/v1/taps", json=gate.upload().to_json()).status_code == 200
    day = date(2026, 11, 17)
    with running.database.begin() as tx:
        close_day(tx, day, books=running.shelf.books(tx), now=now)
    assert shop.purse(card) == 100_000 - MAXIMUM
    return at


def test_a_ride_is_mended_from_the_desk_within_the_tariffs_limits(run, shop, card, ridden):  # noqa: F811
    listed = run("rider", "incomplete", str(card.serial))
    tap = listed.split()[1]
    assert f"{MAXIMUM:,} VND" in listed
    assert "owner must decide" in listed, "an unknown rule says so"
    word = ("rider", "mend", str(card.serial), tap, "--stop", "2A-la-thanh", "--at", "2026-11-17T23:20")
    assert f"{MAXIMUM:,} VND -> {HOP:,} VND (dry run)" in run(*word, "--dry-run")
    assert shop.purse(card) == 100_000 - MAXIMUM
    done = run(*word)
    assert done.startswith("0 id ")
    assert done.endswith(f"\n{MAXIMUM:,} VND -> {HOP:,} VND\n")
    assert shop.purse(card) == 100_000 - HOP
    again = run(*word)
    assert again.startswith("1 ")
    assert "is not mended (already): it was mended before, and that is done once a ride." in again
    assert "0 rides" in run("rider", "incomplete", str(card.serial))
    looks = run("rider", "access", str(card.serial))
    assert looks.count("service desk") == 2
    assert looks.startswith(f"0 {shop.now.astimezone(ZONE):%Y-%m-%d %H:%M}  "), "by the city's clock"


@pytest.mark.parametrize("what", ["entitlements", "family", "media", "notices"])
def test_a_desks_look_is_in_the_holders_list(run, shop, card, what):  # noqa: F811
    assert run("rider", what, str(card.serial)).startswith("0 ")
    assert f"command:mai  {what}  service desk" in run("rider", "access", str(card.serial))


def test_a_desk_that_asks_about_a_card_is_told_since_when_and_who(run, shop, card):  # noqa: F811
    run("card", "block", str(card.serial), "--reason", "lost", "--cause", "by telephone")
    told, at = run("card", "show", str(card.serial)), f"{shop.now.astimezone(ZONE):%Y-%m-%d %H:%M}"
    assert f"denied: lost since {at} by mai: " in told
    assert f"{at}  reported_lost by mai: by telephone" in told
    assert "command:mai  card  service desk" in run("rider", "access", str(card.serial))
    run("card", "unblock", str(card.serial), "--reason", "lost", "--cause", "found")
    assert "not denied" in run("card", "show", str(card.serial))


def test_a_dispute_is_raised_shown_taken_and_answered_by_another(run, shop, card, ridden):  # noqa: F811
    tap = run("rider", "incomplete", str(card.serial)).split()[1]
    raised = run("dispute", "raise", str(card.serial), "--tap", tap, "--reason", "Tôi không đi chuyến này")
    dispute_id = re.search(r"dispute (\S+) on account (\S+):", raised)
    assert dispute_id is not None
    about = (dispute_id[2], dispute_id[1])
    assert about[1] in run("dispute", "list")
    shown = run("dispute", "show", *about)
    assert f"{MAXIMUM:,} VND of {MAXIMUM:,} VND" in shown
    assert run("dispute", "take", *about) == "0 in_review\n"
    answer = ("dispute", "answer", *about, "--refund", str(MAXIMUM), "--note", "hoàn tiền", "--yes")
    assert run(*answer).startswith("1 "), "mai raised it"
    assert run(*answer, by="tuan").startswith("0 refunded; left of the charge: 0 VND")
    assert run(*answer, by="tuan").startswith("0 refunded"), "the same answer again"
    assert shop.purse(card) == 100_000
    assert "answer by" in run("dispute", "show", *about)
    assert run("dispute", "withdraw", *about).startswith("1 ")
    assert run("dispute", "list") == "0 0 unanswered\n"


def test_an_answer_asks_before_money_moves(run, shop, card, ridden):  # noqa: F811
    tap = run("rider", "incomplete", str(card.serial)).split()[1]
    raised = run("dispute", "raise", str(card.serial), "--tap", tap, "--reason", "x")
    dispute_id, account = re.search(r"dispute (\S+) on account (\S+):", raised).groups()
    stopped = run("dispute", "answer", account, dispute_id, "--refund", "5", "--note", "x", by="tuan")
    assert stopped.startswith("1 ")
    assert "Give back 5 VND of 18,625 VND?" in stopped
    assert shop.purse(card) == 100_000 - MAXIMUM
    stands = run("dispute", "answer", account, dispute_id, "--stands", "--note", "x", by="tuan")
    assert stands.startswith("0 refused")


@pytest.mark.parametrize(
    "words",
    [
        ("dispute", "raise", "1", "--reason", "x"),
        ("dispute", "raise", "1", "--tap", str(uuid4()), "--entry", str(uuid4()), "--reason", "x"),
        ("dispute", "answer", str(uuid4()), str(uuid4()), "--note", "x"),
        ("dispute", "answer", str(uuid4()), str(uuid4()), "--note", "x", "--stands", "--refund", "5"),
        ("rider", "payer", "1"),
        ("rider", "payer", "1", "--by", "2", "--nobody"),
        ("rider", "erase", str(uuid4()), "--reason", "x", "--confirm", str(uuid4())),
        ("rider", "register", "1", "--kind", "citizen", "--token", "no hex", "--until", "2030-01-01"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(run, shop, words):  # noqa: F811
    assert run(*words).startswith("2 ")


@pytest.mark.parametrize(
    "words",
    [
        ("rider", "access", "999"),
        ("rider", "notices", "999"),
        ("rider", "mend", "999", str(uuid4()), "--stop", "x", "--at", "2026-11-17T20:00"),
        ("rider", "family", "999"),
        ("rider", "erase", "00000000-0000-7000-8000-000000000001", "--reason", "x",
         "--confirm", "00000000-0000-7000-8000-000000000001"),
        ("dispute", "show", str(uuid4()), str(uuid4())),
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_sentence(run, shop, words):  # noqa: F811
    told = run(*words)
    assert re.fullmatch(r"1 (id \S+\n)?Error: .*\n", told)


def test_a_concession_is_proven_listed_and_ended(run, shop, card, ridden, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("LIENTHONG_IDENTITY_VERIFIERS", f"labour:{VERIFIER.public.raw.hex()}")
    context.settings.cache_clear()
    senior = Verified(
        "001060012345", Concession.FREE_SENIOR, date(2026, 11, 1), date(2027, 12, 31), "labour", "QĐ 12/2026"
    )
    proof = tmp_path / "attestation.json"
    proof.write_bytes(sign(senior, VERIFIER, signed_at=shop.now))
    made = run("rider", "prove", str(card.serial), "--proof", str(proof))
    assert "free_senior from 2026-11-01 to 2027-12-31" in made
    assert shop.purse(card) == 100_000, "yesterday's ride is free now"
    listed = run("rider", "entitlements", str(card.serial))
    assert "labour: QĐ 12/2026" in listed
    assert "001060012345" not in listed
    name = made.split()[2].rstrip(":")
    end = (
        "rider",
        "end-entitlement",
        str(card.serial),
        name,
        "--last-day",
        "2026-10-31",
        "--reason",
        "wrong",
    )
    assert run(*end).startswith("0 ends on 2026-10-31")
    assert shop.purse(card) == 100_000 - MAXIMUM
    assert run(*end).startswith("0 ended already")


def test_a_familys_payer_sees_amounts_and_no_place(run, shop, card):  # noqa: F811
    child = shop.card()
    shop.owe(child, 7_000)
    told = run("rider", "payer", str(child.serial), "--by", str(card.serial), "--limit", "300000")
    assert told.endswith("\nrecorded\n")
    assert shop.purse(card) == 93_000
    family = run("rider", "family", str(card.serial))
    assert f"{child.fare_account_id}  7,000 VND of at most 300,000 VND" in family
    assert "2A" not in family
    assert run("rider", "payer", str(child.serial), "--nobody").endswith("\nrecorded\n")


def test_media_are_registered_and_listed(run, shop, card):  # noqa: F811
    phone = SigningKey.generate().public.raw.hex()
    made = run(
        "rider", "register", str(card.serial), "--kind", "qr", "--token", phone, "--until", "2030-01-01"
    )
    assert re.match(r"0 medium \d+: qr, active\n\S{100,}  until ", made)
    again = run(
        "rider", "register", str(card.serial), "--kind", "qr", "--token", phone, "--until", "2030-01-01"
    )
    assert again.split()[2] == made.split()[2]
    other = SigningKey.generate().public.raw.hex()
    late = ("rider", "register", str(card.serial), "--kind", "qr", "--token", other, "--until", "2020-01-01")
    assert "good until 2020-01-01 is out of date" in run(*late)
    assert made.rstrip()[-16:] == f"{shop.now.astimezone(ZONE) + timedelta(days=7):%Y-%m-%d %H:%M}"
    itself = run("card", "link", str(card.serial), str(card.serial), "--cause", "a slip")
    assert itself.startswith("2 ")
    assert "both are media of one account" in itself, "it would part the account"
    number = b"079123456789".hex()
    bad = run(
        "rider", "register", str(card.serial), "--kind", "citizen", "--token", number, "--until", "2030-01-01"
    )
    assert bad.startswith("1 Error: ")
    listed = json.loads(run("rider", "media", str(card.serial), "--json")[2:])
    assert [one["kind"] for one in listed] == ["transit", "qr"]


def test_an_inspectors_look_tells_three_things_and_is_in_the_access_list(run, shop, card):  # noqa: F811
    assert run("rider", "inspect", str(card.serial), "--place", "29B-101.26") == "0 not tapped, no pass\n"
    assert run("rider", "inspect", "999", "--place", "29B-101.26") == "0 not tapped, no pass\n"
    assert "inspection at 29B-101.26" in run("rider", "access", str(card.serial))


def test_sign_ins_end_from_the_desk(run, shop, card, client):  # noqa: F811
    me = shop.rider(card)
    assert run("rider", "sign-out", str(card.serial)) == "0 1 sign-ins ended\n"
    assert client.get("/v1/riders/me", headers=me).status_code == 401


def test_passes_are_renewed_and_gifted(run, shop, card):  # noqa: F811
    product = "bus_month_all_routes_normal"
    run("till", "add", "kiosk-7", "kiosk", "--most", "900000")
    run("till", "open", "kiosk-7", "lan")
    sold = run("passes", "sell", str(card.serial), product, "--till", "kiosk-7")
    pass_id = re.search(r"pass (\S+):", sold)[1]
    assert "\npass " in run("passes", "renew", str(card.serial), pass_id, "--till", "kiosk-7")
    starts = [one["valid_from"] for one in json.loads(run("passes", "list", str(card.serial), "--json")[2:])]
    assert len(set(starts)) == 2, "from where the first ends"
    group = [shop.card(), shop.card()]
    gift = ("passes", "gift", str(card.serial), "bus_month_all_routes_group", *(str(c.serial) for c in group))
    assert run(*gift, "--yes").startswith("1 "), "the balance does not pay for it"
    shop.load(card, 1_000_000)
    twice = run(*gift, str(group[0].serial), "--yes")
    assert "at least 2, once to each holder; 3 cards of 2 holders are named" in twice
    told = run(*gift, "--yes")
    assert "2 passes" in told, told
    assert shop.purse(card) < 1_100_000


def test_notices_are_listed_in_both_languages(run, shop, card):  # noqa: F811
    assert run("card", "block", str(card.serial), "--reason", "blocked").startswith("0 ")
    assert run("notices", "collect").startswith("0 ")
    vi, en = (run("rider", "notices", str(card.serial), "--lang", lang) for lang in ("vi", "en"))
    assert "denial" in vi
    assert vi != en


def test_an_action_for_a_card_is_asked_for_listed_and_withdrawn(run, shop, card):  # noqa: F811
    words = ("card", "ask", str(card.serial), "unblock", "--until", "2026-12-31", "--cause", "paid")
    asked = run(*words)
    name = asked.split()[2]
    again = run(*words, "--id", name)
    assert again.endswith("asked for before\n")
    assert f"{name}  unblock  waiting" in run("card", "actions", str(card.serial))
    purse = ("card", "ask", str(card.serial), "load_purse", "--until", "2026-12-31", "--cause", "x")
    assert run(*purse, "--detail", "amount=5000").startswith("2 "), (
        "money: card load asks what the account holds"
    )
    assert run("card", "withdraw", str(card.serial), name) == "0 withdrawn\n"
    assert run("card", "withdraw", str(card.serial), name) == "0 it has ended before\n"
    assert f"{name}  unblock  withdrawn" in run("card", "actions", str(card.serial))
    assert run("card", "withdraw", str(card.serial), str(uuid4())).startswith("1 Error: ")
