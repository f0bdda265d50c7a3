"""Issue 5's first acceptance run: 1,000 cards tap ten times on four readers that are killed 900 times."""

import time

from sqlalchemy import text

from kernel.wire.tap import Phase
from tests.faults.fleet import PLACES, ROUTES, Killer, Zygote, many_cards
from tests.walk.town import Show

MONEY = 1_000_000
TAPS = 10
READERS = tuple(ROUTES)


def stored(town, serials):
    """Every stored record of these cards: serial, counter, phase, mac_valid, exception."""
    with town.database.read() as tx:
        rows = tx.execute(
            text(
                "SELECT c.serial, t.counter, t.phase, t.mac_valid, t.exception, t.tap_id FROM tap t"
                " JOIN card c USING (card_id) WHERE c.serial = ANY(CAST(:serials AS bigint[]))"
            ),
            {"serials": serials},
        )
        return rows.all()


def test_killed_in_every_state_nothing_is_lost_and_nothing_is_there_twice(city, size, figures):
    cards = many_cards(city, size(1_000), money=MONEY)
    kills = size(900) // len(READERS) + 1
    before = city.evidence()
    per_reader = len(cards) * TAPS // len(READERS)
    shows = [
        Show(READERS[(number + turn) % len(READERS)], card)
        for turn in range(TAPS)
        for number, card in enumerate(cards)
    ]
    # A last tap without kills: it proves what became of the one before.
    shows += [Show(READERS[number % len(READERS)], card) for number, card in enumerate(cards)]
    began = time.monotonic()
    zygotes = [Zygote(city, name) for name in READERS]
    # Of sixteen places ten lie in a tap; with so many taps between them the kills end before the taps do.
    between = max(1, int(per_reader / kills * len(PLACES) / 10 * 0.8))
    killers = [
        Killer(zygote, kills=kills, first=4 * number, taps_between=between)
        for number, zygote in enumerate(zygotes)
    ]
    for killer in killers:
        killer.start()
    counters = city.present(shows, patience_s=1_800)
    city.delivered(*READERS)
    for killer, zygote in zip(killers, zygotes, strict=True):
        killer.end()
        zygote.close()
    took = time.monotonic() - began

    wrong = [line for killer in killers for line in killer.wrong]
    assert wrong == []
    killed = sum((killer.killed for killer in killers), start=type(killers[0].killed)())
    assert set(killed) == set(PLACES), "every state was killed in"
    assert sum(killer.idle_between for killer in killers) >= killed.total()

    rows = stored(city, [card.serial for card in cards])
    known = {(row.serial, row.counter) for row in rows if row.phase != Phase.REFUSED}
    commits = {(serial, tmc) for serial, last in counters.items() for tmc in range(1, last + 1)}
    without_intent = commits - known
    charged = [(row.serial, row.counter) for row in rows if row.phase in {Phase.DONE, Phase.RECOVERED}]
    bad_macs = [row for row in rows if row.phase in {Phase.DONE, Phase.RECOVERED} and not row.mac_valid]
    came = city.evidence_since(before)
    lost = sum(counters.values()) - came["committed"]
    trips = booked = 0
    for card in cards:
        bill = city.bill(card.account)
        amounts = [amount for amount, _ in bill.values()]
        trips += sum(count for _, count in bill.values())
        booked += sum(amounts)
    spent = purses_spent(city, cards)
    figures(
        cards=len(cards),
        presentations=len(shows),
        kills=killed.total(),
        by_state=dict(sorted(killed.items())),
        idle_between_kills=sum(killer.idle_between for killer in killers),
        commits=sum(counters.values()),
        records=len(rows),
        done=sum(row.phase == Phase.DONE for row in rows),
        recovered=sum(row.phase == Phase.RECOVERED for row in rows),
        torn=sum(row.phase == Phase.TORN for row in rows),
        torn_proven=came.get("torn_proven", 0),
        commits_without_intent=len(without_intent),
        lost=lost,
        double_charges=len(charged) - len(set(charged)),
        bad_macs=len(bad_macs),
        trips_billed=trips,
        seconds=round(took),
    )
    assert without_intent == set()
    assert lost == 0
    assert len(charged) == len(set(charged)), "no counter is charged twice"
    assert bad_macs == []
    assert all(not row.exception for row in rows)
    assert trips == len(charged), "one ride a proven tap"
    assert trips + came.get("torn_proven", 0) == sum(counters.values()), (
        "the ledger equals the cards' counters"
    )
    assert spent == booked
    city.proven()


def purses_spent(town, cards):
    """What the riders' accounts were charged, as the ledger's balances say."""
    return sum(MONEY - purse.stored + purse.owed for purse in map(town.purse, (c.account for c in cards)))
