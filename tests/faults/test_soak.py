"""Issue 5's first acceptance run: 1,000 cards tap ten times on four readers that are killed 900 times.

A second, smaller one mixes stored-value cards in: there the card's own money must agree too.
"""

import json
import time
import uuid
from collections import Counter

from sqlalchemy import text

from access import issue, purse
from fare.rules.lookup import flat_fares
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import Phase
from readers.identity import load_identity
from tests.faults.fleet import PLACES, ROUTES, Killer, Zygote, many_cards
from tests.walk.town import Show

MONEY = 1_000_000
TAPS = 10
READERS = tuple(ROUTES)
ON_CARD = 200_000
LOAD = 30_000


def stored(town, serials):
    """Every stored record of these cards: serial, counter, phase, mac_valid, exception, id and route."""
    with town.database.read() as tx:
        rows = tx.execute(
            text(
                "SELECT c.serial, t.counter, t.phase, t.mac_valid, t.exception, t.tap_id, t.route_id FROM tap t"
                " JOIN card c USING (card_id) WHERE c.serial = ANY(CAST(:serials AS bigint[]))"
            ),
            {"serials": serials},
        )
        return rows.all()


def served(city, shows, readers, *, kills):
    """Hold the cards to readers that are killed so often each, in every state in turn; return their counters and figures.

    Every reader comes to IDLE between its kills, and serves what is left once they are over.
    """
    began = time.monotonic()
    zygotes = [Zygote(city, name) for name in readers]
    # Of sixteen places ten lie in a tap; with so many taps between them the kills end before the taps do.
    between = max(1, int(len(shows) / len(readers) / kills * len(PLACES) / 10 * 0.7))
    killers = [
        Killer(zygote, kills=kills, first=len(PLACES) // len(readers) * number, taps_between=between)
        for number, zygote in enumerate(zygotes)
    ]
    for killer in killers:
        killer.start()
    counters = city.present(shows, patience_s=1_800)
    city.delivered(*readers)
    for killer, zygote in zip(killers, zygotes, strict=True):
        killer.end()
        zygote.close()
    assert [line for killer in killers for line in killer.wrong] == []
    killed = sum((killer.killed for killer in killers), start=Counter())
    idle = sum(killer.idle_between for killer in killers)
    assert set(killed) == set(PLACES), "every state was killed in"
    assert idle >= killed.total()
    return counters, {
        "presentations": len(shows),
        "kills": killed.total(),
        "by_state": dict(sorted(killed.items())),
        "idle_between_kills": idle,
        "seconds": round(time.monotonic() - began),
    }


def judge(city, cards, counters, before, say):
    """Hold the service's evidence and bills against the cards' own counters, and say what was found."""
    rows = stored(city, [card.serial for card in cards])
    known = {(row.serial, row.counter) for row in rows if row.phase != Phase.REFUSED}
    commits = {(serial, tmc) for serial, last in counters.items() for tmc in range(1, last + 1)}
    charged = [(row.serial, row.counter) for row in rows if row.phase in {Phase.DONE, Phase.RECOVERED}]
    bad_macs = [row for row in rows if row.phase in {Phase.DONE, Phase.RECOVERED} and not row.mac_valid]
    came = city.evidence_since(before)
    torn_proven = came.get("torn_proven", 0)
    bills = [line for card in cards for line in city.bill(card.account).values()]
    found = {
        "cards": len(cards),
        "commits": len(commits),
        "records": len(rows),
        "done": sum(row.phase == Phase.DONE for row in rows),
        "recovered": sum(row.phase == Phase.RECOVERED for row in rows),
        "torn": sum(row.phase == Phase.TORN for row in rows),
        "torn_proven": torn_proven,
        "commits_without_intent": len(commits - known),
        "lost": len(commits) - came["committed"],
        "double_charges": len(charged) - len(set(charged)),
        "bad_macs": len(bad_macs),
        "trips_billed": sum(count for _, count in bills),
    }
    say(found)
    wrong = ("commits_without_intent", "lost", "double_charges", "bad_macs")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert all(not row.exception for row in rows)
    assert found["trips_billed"] == len(charged), "one ride a proven tap"
    assert found["trips_billed"] + torn_proven == len(commits), "the ledger equals the cards' counters"
    assert purses_spent(city, cards) == sum(amount for amount, _ in bills)


def test_killed_in_every_state_nothing_is_lost_and_nothing_is_there_twice(city, size, figures):
    cards = many_cards(city, size(1_000), money=MONEY)
    before = city.evidence()
    shows = [
        Show(READERS[(number + turn) % len(READERS)], card)
        for turn in range(TAPS)
        for number, card in enumerate(cards)
    ]
    # A last tap without kills: it proves what became of the one before.
    shows += [Show(READERS[number % len(READERS)], card) for number, card in enumerate(cards)]
    counters, ran = served(city, shows, READERS, kills=size(900) // len(READERS) + 1)
    judge(city, cards, counters, before, lambda found: figures(**found, **ran))
    city.proven()


def test_killed_while_purses_pay_money_is_on_the_card_once_and_in_the_ledger_once(city, size, figures):
    """Stored-value cards among account-based ones; half of them are loaded on the way, by one reader."""
    plain = many_cards(city, size(100), money=MONEY)
    paying = many_cards(city, size(100), money=MONEY, stored_value=True)
    for card in paying:
        # As if it had been loaded before: enough for every ride, and with the load less than its account holds.
        card.row["purse"] = ON_CARD
    loaded = paying[::2]
    device = str(load_identity(city.state(READERS[0])).device_id)
    for card in loaded:
        asked = {
            "action_id": str(uuid.uuid4()),
            "action": "load_purse",
            "detail": {"amount": str(LOAD), "device": device},
            "until": "2026-12-31T00:00:00+07:00",
            "cause": "acceptance",
        }
        city.ask("POST", f"/v1/cards/{card.serial}/actions", asked, role="administrator")
    for name in READERS:
        # How slow this machine's disk is decides nothing here; a slow one takes no money from a purse.
        config = city.city.config(name)
        config.write_text(config.read_text().replace("[state]\n", "[state]\nfsync_warn_ms = 10000\n"))
    cards = [card for pair in zip(plain, paying, strict=True) for card in pair]
    before = city.evidence()
    shows = [
        Show(READERS[(number // 2 + turn) % len(READERS)], card)
        for turn in range(TAPS // 2 + 1)
        for number, card in enumerate(cards)
    ]
    counters, ran = served(city, shows, READERS, kills=size(240) // len(READERS))
    left = {card.serial: on_card(city, card) for card in paying}
    paid = paid_on_cards(city, counters, list(left))
    loads = {serial: money + paid[serial] - ON_CARD for serial, money in left.items()}
    asked_for = {card.serial for card in loaded}
    more = {
        "stored_value_cards": len(paying),
        "payments_on_cards": sum(counters[serial] for serial in left),
        "loads_asked_for": len(loaded),
        "loads_on_cards": sum(amount == LOAD for amount in loads.values()),
    }
    judge(city, cards, counters, before, lambda found: figures(**found, **more, **ran))
    assert all(amount in {0, LOAD} for amount in loads.values()), (
        "a card is loaded once, and pays once a commit"
    )
    assert all(loads[serial] == 0 for serial in left.keys() - asked_for)
    for card in paying:
        with city.database.read() as tx:
            told = purse.find_state(tx, issue.get_card(tx, serial=card.serial), keyring=city.keyring)
        assert (told.value, told.counter) == (left[card.serial], counters[card.serial]), (
            "the back office knows what is on the card"
        )
    city.proven()


def paid_on_cards(town, counters, serials):
    """What each purse paid for its commits: the flat fare of the line on which each was made."""
    with town.database.read() as tx:
        fares = flat_fares(town.shelf.books(tx).current(), town.now)
    paid = Counter()
    # Of two records of one transaction the committed one speaks; a torn one was tried again at the same reader.
    routes = {(row.serial, row.counter): row.route_id for row in stored(town, serials)}
    for serial in serials:
        for counter in range(1, counters[serial] + 1):
            paid[serial] += fares[routes[serial, counter]][Concession.NORMAL]
    return paid


def on_card(town, card):
    """What the card itself holds."""
    lines = map(json.loads, (town.city.home / "eeproms.jsonl").read_text().splitlines())
    return [line for line in lines if line["serial"] == card.serial][-1]["purse"]


def purses_spent(town, cards):
    """What the riders' accounts were charged, as the ledger's balances say."""
    return sum(MONEY - purse.stored + purse.owed for purse in map(town.purse, (c.account for c in cards)))
