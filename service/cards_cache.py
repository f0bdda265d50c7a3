"""Card states in Redis for the online decision: only what may be lost, one hash tag a card, newer rows only (§8.15)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import redis
from sqlalchemy import Connection

from access import deny, issue, link
from access.rules.medium import MediumState
from kernel.clock import from_micros, micros
from kernel.ids import FareAccountId
from kernel.money import Money, currency
from ledger.accounts import read_available
from ledger.rules import chart
from service import logs
from service.cache import Cache
from service.database import Database

HOLD: Final = timedelta(seconds=30)
MAX_AGE: Final = timedelta(minutes=15)
"""An entry older than this falls through to the database: the bound on how long a lost refresh may mislead."""
_KEPT_S: Final = 86_400

# KEYS: state. ARGV: version, field, value … An older row version than the one held is dropped.
_WRITE: Final = """
local held = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if tonumber(ARGV[1]) < held then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""

# KEYS: state, holds (same hash tag). ARGV: now µs, max age µs, device, amount, hold µs, expire s, currency.
# Answers nothing when the entry is missing or too old. A device's own hold is replaced, never added to.
_DECIDE: Final = """
local state = redis.call('HMGET', KEYS[1], 'version', 'state', 'denied', 'balance', 'currency', 'as_of', 'account')
if not state[1] or tonumber(ARGV[1]) - tonumber(state[6]) > tonumber(ARGV[2]) then return nil end
local held = 0
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local ends, amount = string.match(all[i + 1], '(%d+):(%d+)')
  if tonumber(ends) <= tonumber(ARGV[1]) then redis.call('HDEL', KEYS[2], all[i])
  elseif all[i] ~= ARGV[3] then held = held + tonumber(amount) end
end
local good = state[2] == 'active' and state[3] == '' and state[5] == ARGV[7] and tonumber(state[4]) - held >= tonumber(ARGV[4])
if good then
  redis.call('HSET', KEYS[2], ARGV[3], string.format('%.0f', tonumber(ARGV[1]) + tonumber(ARGV[5])) .. ':' .. ARGV[4])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
return {state[1], state[2], state[3], state[4], state[5], state[6], state[7], tostring(held), good and '1' or '0'}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardState:
    """What a decision needs to know of a card, at one row version of its fare account."""

    serial: int
    fare_account_id: FareAccountId
    version: int
    state: MediumState
    denied: tuple[str, ...]
    balance: Money
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A card's state as decided in Redis: what other devices hold of the balance, and whether a hold was placed."""

    card: CardState
    held: Money
    placed: bool


def read_states(tx: Connection, accounts: Iterable[FareAccountId], now: datetime) -> tuple[CardState, ...]:
    """Return the state of every card that counts to these fare accounts, or to what they count to, in one snapshot.

    A linked card's version is its own account's and that of the account it counts to, added up: it rises with both.
    """
    asked = set(accounts)
    counting = link.counting(tx, asked)
    heads = {counting.account(account, now) for account in asked}
    cards = link.list_media(tx, heads, at=now, found=counting)
    homes = {FareAccountId(card.fare_account_id) for card in cards}
    versions = issue.list_versions(tx, homes | heads)
    reasons = deny.list_reasons(tx, [card.serial for card in cards])
    balances = _balances(tx, heads, now)
    states = []
    for card in cards:
        home = FareAccountId(card.fare_account_id)
        head = counting.account(home, now)
        states.append(
            CardState(
                serial=card.serial,
                fare_account_id=head,
                version=versions[home] + (versions[head] if head != home else 0),
                state=card.state,
                denied=tuple(reason.value for reason in reasons.get(card.serial, ())),
                balance=balances[head],
                as_of=now,
            )
        )
    return tuple(states)


def _balances(tx: Connection, accounts: set[FareAccountId], now: datetime) -> dict[UUID, Money]:
    specs = {account: chart.rider_stored_value(account) for account in accounts}
    found = read_available(tx, [spec.account_id for spec in specs.values()], now)
    # An account that never held money may not be open yet.
    return {account: found.get(spec.account_id, Money.zero(spec.currency)) for account, spec in specs.items()}


def write(cache: Cache, states: Sequence[CardState]) -> bool:
    """Store these states where Redis holds none newer, in one round trip; False when Redis is gone."""

    def send(client: redis.Redis) -> bool:
        # By its digest: the text would travel once a card.
        script = client.register_script(_WRITE)
        with client.pipeline(transaction=False) as pipe:
            for state in states:
                script(keys=[_key(state.serial, "state")], args=_fields(state), client=pipe)
            pipe.execute()
        return True

    return cache.attempt(send) is not None


def _fields(state: CardState) -> tuple[str | int, ...]:
    return (
        state.version,
        _KEPT_S,
        "state",
        state.state.value,
        "denied",
        ",".join(state.denied),
        "balance",
        state.balance.minor,
        "currency",
        state.balance.currency.code,
        "as_of",
        micros(state.as_of),
        "account",
        str(state.fare_account_id),
    )


def refresh(database: Database, cache: Cache, accounts: Iterable[FareAccountId], now: datetime) -> None:
    """Bring Redis up to what was just committed. It may fail without harm: entries age, and are then read again."""
    wanted = set(accounts)
    if not wanted or cache.client is None:
        return
    try:
        with database.read() as tx:
            states = read_states(tx, wanted, now)
    except Exception as error:  # noqa: BLE001  (what is committed is acknowledged, whatever becomes of the cache)
        logs.logger("service.cards_cache").error("refresh.failed", exc_info=error)
        return
    write(cache, states)


def decide(
    cache: Cache, serial: int, *, device: str, amount: Money, now: datetime, max_age: timedelta = MAX_AGE
) -> Held | None:
    """Return the card's state with a hold placed for `device` where it may tap; None when Redis cannot say.

    The hold keeps `amount` from other devices for HOLD; the same device asking again only renews its own.
    """
    answer = cache.script(
        _DECIDE,
        (_key(serial, "state"), _key(serial, "holds")),
        (
            micros(now),
            int(max_age.total_seconds() * 1_000_000),
            device,
            amount.minor,
            int(HOLD.total_seconds() * 1_000_000),
            _KEPT_S,
            amount.currency.code,
        ),
    )
    if not isinstance(answer, list):
        return None
    version, state, denied, balance, code, as_of, account, held, placed = (
        bytes(part).decode() for part in answer
    )
    unit = currency(code)
    card = CardState(
        serial=serial,
        fare_account_id=FareAccountId(UUID(account)),
        version=int(version),
        state=MediumState(state),
        denied=tuple(denied.split(",")) if denied else (),
        balance=Money(int(balance), unit),
        as_of=from_micros(int(as_of)),
    )
    return Held(card, Money(int(float(held)), unit), placed == "1")


def _key(serial: int, part: str) -> str:
    return f"lt:{{card:{serial}}}:{part}"
