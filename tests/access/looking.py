"""Looking at what an upload came to."""

from datetime import timedelta

from sqlalchemy import text

from access import cases, exceptions
from access.take_in import take_in
from access.taps import list_taps


def verdicts(taken):
    return [(each.sequence, each.verdict.value, each.reason) for each in taken.verdicts]


def taps_of(world, *cards):
    span = timedelta(days=90)
    accounts = [card.issued.fare_account_id for card in cards]
    return list_taps(world.tx, accounts, since=world.now - span, until=world.now + span)


def take(world, upload, **more):
    return take_in(world.tx, upload, keyring=world.keyring, now=world.now, **more)


def count(world, table):
    return world.tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def open_kinds(world):
    return sorted(each.case.kind for each in cases.list_open(world.tx))


def queued(world):
    return sorted(each.raised.reason for each in exceptions.list_open(world.tx, now=world.now))
