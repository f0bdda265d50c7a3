"""The journal over the daemon's life: what is known of lights when it is opened again."""

from datetime import timedelta

import pytest

from kernel.clock import FixedClock
from readers.keeper import Keeper
from tests.readers.kit import DEVICE, NOW, draft, enrolled


@pytest.fixture
def config(tmp_path):
    return enrolled(tmp_path)


def opened(keeper):
    return keeper.open(ahead=0, passback=timedelta(seconds=30), note=lambda *_: None)


def done(journal):
    return journal.finish(journal.begin(draft()), tmc=1, tmv=bytes(8), latency_ms=1)


def test_a_light_that_was_shown_is_not_owed_again_when_the_journal_was_only_opened_anew(config):
    keeper = Keeper(config, device_id=DEVICE, clock=FixedClock(NOW))
    kept = opened(keeper)
    record = done(kept.journal)
    keeper.shown = record.sequence
    kept.journal.close()
    again = opened(keeper)
    assert again.memory.find(record.card_serial).shown
    again.journal.close()


def test_a_light_that_nobody_can_vouch_for_is_owed(config):
    kept = opened(Keeper(config, device_id=DEVICE, clock=FixedClock(NOW)))
    record = done(kept.journal)
    kept.journal.close()
    again = opened(Keeper(config, device_id=DEVICE, clock=FixedClock(NOW)))
    assert not again.memory.find(record.card_serial).shown
    again.journal.close()


def test_what_was_shown_of_one_journal_says_nothing_of_the_next(config):
    keeper = Keeper(config, device_id=DEVICE, clock=FixedClock(NOW))
    kept = opened(keeper)
    keeper.shown = done(kept.journal).sequence
    kept.journal.close()
    config.journal.path.write_bytes(b"not a database" * 1000)
    for end in ("-wal", "-shm"):
        config.journal.path.with_name(config.journal.path.name + end).unlink(missing_ok=True)
    kept = opened(keeper)
    record = done(kept.journal)
    kept.journal.close()
    again = opened(keeper)
    assert record.sequence == 1
    assert not again.memory.find(record.card_serial).shown
    again.journal.close()
