"""Killed between any two steps, or raced by several workers: each payment is booked once and none is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from random import Random
from threading import Barrier

import pytest
from sqlalchemy import Engine, text

from ledger import notify, topup


class KilledError(Exception):
    """The process ends here."""


STEPS = [
    "store_notification",
    "take_due",
    "take_payment",
    "lock_named",
    "open_accounts",
    "post",
    "set_state",
    "insert_payment",
    "insert_outcome",
]


def desk_on(desk, tx):
    return type(desk)(tx, desk.now, desk.rider)


@pytest.mark.parametrize("step", STEPS)
def test_kill_after_any_step_converges(desk, database, monkeypatch, step):
    with database.engine.begin() as tx:
        intent = desk_on(desk, tx).intent()
    raw = desk.notice(intent, 50_000)
    house = {
        "take_due": notify.payments,
        "take_payment": notify.payments,
        "insert_payment": notify.payments,
        "insert_outcome": notify.payments,
        "lock_named": notify.intents,
        "set_state": notify.intents,
    }.get(step, notify)
    genuine = getattr(house, step)

    def killed(*given, **named):
        genuine(*given, **named)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(house, step, killed)
        with pytest.raises(KilledError):
            deliver(desk, database.engine, raw)
    # What comes next is either the provider's next delivery or the sweep over what is due.
    with database.engine.begin() as tx:
        due = notify.list_due(tx)
    for stored in due:
        with database.engine.begin() as tx:
            desk_on(desk, tx).apply(stored)
    deliver(desk, database.engine, raw)
    with database.engine.begin() as tx:
        on = desk_on(desk, tx)
        assert on.loaded() == on.clearing() == 50_000
        assert on.entries() == 1
        assert on.again(intent).state.value == "credited"
        assert notify.list_due(tx) == ()


def deliver(desk, engine: Engine, raw: bytes) -> notify.Applied:
    """As the endpoint does it: two transactions."""
    with engine.begin() as tx:
        stored = desk_on(desk, tx).store(raw)
    with engine.begin() as tx:
        return desk_on(desk, tx).apply(stored)


def test_racing_deliveries_credit_once(desk, database):
    with database.engine.begin() as tx:
        on = desk_on(desk, tx)
        intents = [on.intent() for _ in range(4)]
    # Each payment notified five times, half of them in other words, plus a second payment of each intent.
    raws = [
        on.notice(intent, 50_000, reference=f"FT-{n}-{which}", desc=f"{time % 2}")
        for n, intent in enumerate(intents)
        for which in range(2)
        for time in range(5)
    ]
    Random(7).shuffle(raws)
    start = Barrier(4)

    def work(mine: list[bytes]) -> list[str]:
        start.wait()
        return [deliver(desk, database.engine, raw).outcome for raw in mine]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [raws[n::4] for n in range(4)]))
    with database.engine.begin() as tx:
        on = desk_on(desk, tx)
        assert on.loaded() == 4 * 50_000
        assert on.suspended("double") == 4 * 50_000
        assert on.entries() == 8
        assert notify.list_due(tx) == ()


def test_racing_requests_with_one_id_make_one_intent(desk, database, now: datetime):
    asked = desk.asked()
    start = Barrier(4)

    def ask(_: int) -> topup.Created:
        start.wait()
        with database.engine.begin() as tx:
            return desk_on(desk, tx).create(asked)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(ask, range(4)))
    assert sorted(one.hit for one in made) == [False, True, True, True]
    assert len({one.intent for one in made}) == 1
    with database.engine.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM ledger_topup_intent")).scalar_one() == 1


def test_schema_itself_credits_an_intent_once(desk):
    intent = desk.intent()
    desk.take(desk.notice(intent, 50_000))
    with pytest.raises(Exception, match="ledger_payment_credits_once"):
        desk.tx.execute(
            text(
                "INSERT INTO ledger_payment SELECT gen_random_uuid(), provider, 'other', reference, account, amount, "
                "currency, order_code, running_balance, paid_at, notification_id, disposition, intent_id, "
                "entry_owner_id, entry_id, decided_at FROM ledger_payment"
            )
        )
