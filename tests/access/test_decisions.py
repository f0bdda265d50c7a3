"""The online decision: Redis first, the database when Redis is gone or stale, and older writes dropped."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from access import block, deny
from access.deny import DenyReason
from access.issue import raise_versions
from access.rules.medium import MediumEvent
from kernel.money import VND, Money
from readers.signing import signed_headers
from service import cards_cache
from service.cache import Cache
from service.services import EXTENSION


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def city(running, world_on):
    with running.database.begin() as tx:
        world = world_on(tx)
        return world.reader("bus-01"), world.reader("bus-02"), world.card()


def state_of(running, card, now):
    with running.database.read() as tx:
        (state,) = cards_cache.read_states(tx, [card.issued.fare_account_id], now)
    return state


def decide(client, reader, now, serial, minor=0):
    raw = json.dumps({"card_serial": serial, "amount": {"minor": minor, "currency": "VND"}}).encode()
    url = "http://localhost/v1/decisions"
    headers = signed_headers(reader.key, method="POST", url=url, body=raw, nonce="n", now=now)
    reply = client.post("/v1/decisions", data=raw, headers={**headers, "Content-Type": "application/json"})
    assert reply.status_code == 200, reply.text
    return reply.json


def with_balance(running, card, now, minor):
    state = replace(state_of(running, card, now), balance=Money(minor, VND))
    assert cards_cache.write(running.cache, (state,))
    return state


def test_a_cold_cache_reads_the_database_and_is_warm_after(client, running, city, now):
    reader, _, card = city
    first, second = (decide(client, reader, now, card.serial) for _ in range(2))
    assert (first["decision"], first["source"]) == ("accept", "database")
    assert (second["decision"], second["source"]) == ("accept", "cache")
    assert second["hold_until"]


def test_an_unknown_card_is_refused(client, city, now):
    assert decide(client, city[0], now, 99_999)["reason"] == "unknown-card"


def test_a_hold_keeps_the_balance_from_other_devices_for_a_while(client, running, city, now):
    one, two, card = city
    with_balance(running, card, now, 20_000)
    assert decide(client, one, now, card.serial, 15_000)["decision"] == "accept"
    assert decide(client, one, now, card.serial, 15_000)["decision"] == "accept", "its own hold is renewed"
    refused = decide(client, two, now, card.serial, 15_000)
    assert (refused["reason"], refused["held"]["minor"]) == ("held-elsewhere", 15_000)
    assert decide(client, two, now, card.serial, 5_000)["decision"] == "accept"
    later = now + cards_cache.HOLD
    held = cards_cache.decide(running.cache, card.serial, device="x", amount=Money(20_000, VND), now=later)
    assert held is not None
    assert (held.placed, held.held) == (True, Money(0, VND))


def test_more_than_the_balance_is_refused(client, running, city, now):
    reader, _, card = city
    with_balance(running, card, now, 8_000)
    assert decide(client, reader, now, card.serial, 8_000)["decision"] == "accept"
    assert decide(client, reader, now, card.serial, 8_001)["reason"] == "balance"


def test_an_older_row_version_never_overwrites_a_newer_one(running, city, now):
    card = city[2]
    newer = with_balance(running, card, now, 7)
    older = replace(newer, version=newer.version - 1, balance=Money(9, VND))
    assert cards_cache.write(running.cache, (older,))
    held = cards_cache.decide(running.cache, card.serial, device="x", amount=Money(0, VND), now=now)
    assert held is not None
    assert held.card == newer


def test_an_old_entry_falls_through_to_the_database(running, city, now):
    card = city[2]
    with_balance(running, card, now, 7)
    ask = {"device": "x", "amount": Money(0, VND)}
    at_limit = cards_cache.decide(running.cache, card.serial, now=now + cards_cache.MAX_AGE, **ask)
    assert at_limit is not None
    past = now + cards_cache.MAX_AGE + timedelta(microseconds=1)
    assert cards_cache.decide(running.cache, card.serial, now=past, **ask) is None


def test_with_redis_gone_the_database_answers(client, running, city, now):
    reader, _, card = city
    running.cache.close()
    running.cache = Cache("redis://127.0.0.1:1/0")
    answer = decide(client, reader, now, card.serial)
    assert (answer["decision"], answer["source"], answer["hold_until"]) == ("accept", "database", None)
    with running.database.begin() as tx:
        block.change_state(tx, card.issued.card_id, MediumEvent.REPORTED_LOST, reason="t", actor="t", now=now)
    assert decide(client, reader, now, card.serial)["reason"] == "lost"


def test_a_refresh_tells_of_a_denial(client, running, city, now):
    reader, _, card = city
    decide(client, reader, now, card.serial)
    account = card.issued.fare_account_id
    with running.database.begin() as tx:
        deny.deny(tx, [card.serial], reason=DenyReason.DEBT, cause="t", now=now)
        raise_versions(tx, [account])
    cards_cache.refresh(running.database, running.cache, [account], now)
    answer = decide(client, reader, now, card.serial)
    assert (answer["decision"], answer["reason"], answer["source"]) == ("refuse", "debt", "cache")


def test_another_currency_places_no_hold(running, city, now):
    from kernel.money import currency

    card = city[2]
    with_balance(running, card, now, 7)
    held = cards_cache.decide(
        running.cache, card.serial, device="x", amount=Money(1, currency("EUR")), now=now
    )
    assert held is not None
    assert not held.placed


def test_every_script_uses_one_hash_tag():
    keys = [cards_cache._key(5, part) for part in ("state", "holds")]
    assert {key[key.index("{") : key.index("}") + 1] for key in keys} == {"{card:5}"}
