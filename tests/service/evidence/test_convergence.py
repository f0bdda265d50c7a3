"""Whatever comes in whatever order, bills end as a fold from scratch: through the service's own verbs, in parallel.

A week on four devices: rides over 04:00, a merge, a correction, top-ups, a new tariff, days settled between uploads,
uploads doubled and shuffled over four connections, and one device whose Monday comes six days late.
"""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from access import link
from fare.publish import publish
from fare.settle_lines import settle_lines
from kernel.ids import OperatorId
from ledger import close_period, prove
from ledger.accounts import read_balances
from ledger.rules import chart
from service.conservation import conserve
from service.database import Database
from service.jobs.debts import settle_debts
from tests.fare.cities import HANOI
from tests.service.evidence.week import AFTER, LOADED, MONDAY, MORNING, WEEK, Office, Week, dearer
from tests.simulation import World

FULL = os.environ.get("LIENTHONG_TEST_FAULTS") == "full"
SEEDS = [1, 2, *(pytest.param(seed, marks=pytest.mark.faults) for seed in (range(3, 21) if FULL else ()))]


def run(office: Office, actions, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda action: action(), actions))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_week_in_any_order_ends_in_the_fold_from_scratch(database, keyring, tmp_path, seed):
    dice = random.Random(seed)
    opened = Database(database.url, pool_size=6, retries=20)
    try:
        with opened.begin() as tx:
            publish(tx, HANOI, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=MORNING)
            week = Week(World(tx, keyring, MORNING), dice)
        office = Office(opened, keyring, week)
        # A tariff is out before it holds; what is older comes before it or after it.
        held = dice.choice(week.uploads[MONDAY])
        early = [one for day in WEEK[:2] for one in week.uploads[day] if one is not held]
        dice.shuffle(early)
        cut = dice.randrange(len(early))
        run(office, [lambda one=one: office.receive(one) for one in early[:cut] * 2], 4)
        with opened.begin() as tx:
            publish(
                tx, dearer(tmp_path), prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=AFTER
            )
        rest = early[cut:] + [one for day in WEEK[2:] for one in week.uploads[day]]
        actions = [lambda one=one: office.receive(one) for one in rest * 2]
        actions += [lambda number=number: office.load(number) for number in (0, 1, 2, 0)]
        actions += [office.merge, office.mend, lambda: office.settle(MONDAY), lambda: office.settle(WEEK[3])]
        dice.shuffle(actions)
        run(office, actions, 4)
        settled = _settled(opened)
        office.now = AFTER + 6 * timedelta(hours=1)
        office.receive(held)  # six days late and more: its days are settled
        for day in WEEK:
            office.settle(day)
        assert office.mend(), "the ride without its tap-off is closed now, and the rider's word is kept once"
        assert office.mend()
        with opened.begin() as tx:
            everyone = {week.account(number) for number in range(5)}
            close_period.share(tx, {office.now})
            link.lock_counted(tx, everyone)
            settle_debts(tx, everyone, cause="end", now=office.now)
        with opened.read() as tx:
            booked = office.booked(tx)
            assert booked == office.folded(tx)
            assert len({day for _, day, _, _ in booked}) >= 7
            _money_agrees(tx, office, booked)
            book = office.shelf.books(tx).current()
            assert all(conserve(tx, day, book=book).conserved for day in WEEK)
            assert _settled(opened).items() >= settled.items(), "a settled day never changes"
        assert not [fault for step in prove.prove(opened.begin) for fault in step.faults]
    finally:
        opened.dispose()


def _settled(opened: Database) -> dict:
    with opened.read() as tx:
        return dict(
            tx.execute(text("SELECT book_day::text, count(*) FROM ledger_settlement GROUP BY book_day")).all()
        )


def _money_agrees(tx, office: Office, booked: Counter) -> None:
    """Riders' purses, operators' payables and the lines of all book days come to what the bills say."""
    charged = Counter()
    for (_, _, operator, component), minor in booked.items():
        charged[operator] += minor if component == "charged" else 0
    currency = office.shelf.books(tx).current().currency
    purses = [
        (chart.rider_stored_value(office.week.account(n)), chart.rider_receivable(office.week.account(n)))
        for n in range(5)
    ]
    known = set(tx.execute(text("SELECT account_id FROM ledger_account")).scalars())
    specs = [spec.account_id for pair in purses for spec in pair if spec.account_id in known]
    balances = read_balances(tx, specs, office.now)
    net = sum(
        balances[stored.account_id].posted.minor if stored.account_id in known else 0 for stored, _ in purses
    ) - sum(balances[owed.account_id].posted.minor if owed.account_id in known else 0 for _, owed in purses)
    assert net == 3 * LOADED - sum(charged.values()), "what came in, less what was ridden"
    payables = {
        operator: chart.operator_payable(OperatorId(operator), currency).account_id
        for operator, minor in charged.items()
        if minor
    }
    owed = read_balances(tx, list(payables.values()), office.now)
    assert {operator: owed[account].posted.minor for operator, account in payables.items()} == +charged
    by_lines = Counter()
    days = tx.execute(text("SELECT DISTINCT book_day FROM fare_bill_line")).scalars().all()
    for day in days:
        for line in settle_lines(tx, day, books=office.shelf.books(tx)).lines:
            by_lines[line.operator_id] += line.collected.minor - line.refunded.minor
    assert +by_lines == +charged, "adjustments on later book days net to what they must"
