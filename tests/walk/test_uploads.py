"""The same uploads again and again, shuffled, over parallel connections: one bill, that of a fold from scratch."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest

from kernel.wire.upload import Verdict

from .devices import Line
from .town import Town

pytestmark = pytest.mark.walk
MINUTE = timedelta(minutes=1)
TIMES = 5
CONNECTIONS = 4
ROUTES = (
    {"route_id": "26", "stop_id": "26-01", "trip_id": "26-05"},
    {"route_id": "93", "stop_id": "93-01", "trip_id": "93-05"},
    {"route_id": "2A", "stop_id": "2A-cat-linh", "trip_id": ""},
    {"route_id": "2A", "stop_id": "2A-yen-nghia", "trip_id": ""},
)


def pieces_of(reader, dice):
    """A journal cut anywhere, as uploads."""
    cuts = sorted({0, len(reader.records), *(dice.randint(0, len(reader.records)) for _ in range(4))})
    return [reader.upload(low + 1, high) for low, high in itertools.pairwise(cuts)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_repeated_and_shuffled_uploads_make_one_bill(town: Town, fleet, seed):
    dice = random.Random(seed)
    readers = [fleet.reader(f"shuffled-{seed}-{n}", **facts) for n, facts in enumerate(ROUTES)]
    cards = fleet.cards(4)
    before, minutes = town.evidence(), 0.0
    began = readers[0].clock
    for _ in range(40):
        minutes += dice.choice((0.3, 4, 17))
        dice.choice(readers).tap(dice.choice(cards), at=began + minutes * MINUTE)
    uploads = [piece for reader in readers for piece in pieces_of(reader, dice)] * TIMES
    dice.shuffle(uploads)

    def send(some):
        with closing(Line(town.city.url)) as line:
            return [verdict for upload in some for verdict in line.send(upload).verdicts]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = pool.map(send, [uploads[n::CONNECTIONS] for n in range(CONNECTIONS)])
        verdicts = [each.verdict for answer in answers for each in answer]
    assert (verdicts.count(Verdict.ACCEPTED), verdicts.count(Verdict.DUPLICATE)) == (40, 40 * (TIMES - 1))
    committed = sum(card.tmc for card in cards)
    assert town.evidence_since(before) == {"records": 40, "proven": 40, "committed": committed}
    bills = {card.serial: town.bill(card.issued.fare_account_id) for card in cards}
    assert bills == {card.serial: town.fold(card.issued.fare_account_id) for card in cards}
    assert any(bills.values())
    for card in cards:
        paid = sum(amount for amount, _ in bills[card.serial].values())
        assert town.purse(card.issued.fare_account_id).owed == paid, "they have loaded nothing"
    town.proven()
