"""Riders sign in with their card's number and a one-time code, and then act for that account alone.

A code is handed out by staff, an agent or the rider's own signed-in app. It opens one sign-in; five wrong guesses
end it. Who else looked at an account's data, and why, is kept here too (Law 91/2025: a purpose-bound access log).
"""

import secrets
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final

from sqlalchemy import Connection

from access.keyring import Keyring
from kernel.ids import FareAccountId, uuid7
from service import audit
from service.audit import Actor, ActorKind
from service.staff import token_hash
from service.store import riders as store
from service.store.riders import AccessRow

TOKEN_PREFIX: Final = "ltr_"  # noqa: S105  (marks riders' tokens, as lt_ marks credentials)
CODE_LENGTH: Final = 10  # of 32 letters: 50 bits, and five guesses
CODE_DAYS: Final = 30
SIGN_IN_DAYS: Final = 90
MOST_TRIES: Final = 5
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letter that is read as a digit
_READ_AS: Final = str.maketrans("OIL", "011", "- ")
_KIND: Final = b"rider code"


def make_code(tx: Connection, account: FareAccountId, *, keyring: Keyring, by: Actor, now: datetime) -> str:
    """Return a fresh one-time code for an account; it is stored only as a keyed hash."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(CODE_LENGTH))
    store.insert_code(
        tx,
        account,
        code_id=uuid7(now),
        code_hash=_hash(keyring, account, code),
        by=f"{by.kind.value}:{by.actor_id}",
        now=now,
        expires_at=now + timedelta(days=CODE_DAYS),
    )
    _audit(tx, by, "rider.code", account, now)
    return code


def sign_in(
    tx: Connection, account: FareAccountId, code: str, *, keyring: Keyring, now: datetime
) -> str | None:
    """Return a token for the account, the code used up; None for a wrong, used, old or worn-out code.

    A wrong guess is counted in this transaction: the caller commits it also for None.
    """
    asked = _hash(keyring, account, code.upper().translate(_READ_AS))
    for known in store.lock_codes(tx, account, now):
        if known.tries < MOST_TRIES and compare_digest(known.code_hash, asked):
            store.use_code(tx, account, known.code_id, now)
            token = TOKEN_PREFIX + secrets.token_urlsafe(32)
            store.insert_sign_in(
                tx, account, token_hash(token), now=now, expires_at=now + timedelta(days=SIGN_IN_DAYS)
            )
            _audit(tx, Actor(ActorKind.RIDER, str(account)), "rider.sign_in", account, now)
            return token
    store.count_try(tx, account, now)
    return None


def find_rider(tx: Connection, token: str, now: datetime) -> FareAccountId | None:
    """Return the account that a rider's token stands for, or None."""
    return store.find_sign_in(tx, token_hash(token), now)


def end_sign_ins(tx: Connection, account: FareAccountId, *, by: Actor, now: datetime) -> int:
    """End every sign-in of an account and return how many there were."""
    ended = store.end_sign_ins(tx, account, now)
    _audit(tx, by, "rider.sign_out", account, now)
    return ended


def looked_at(
    tx: Connection,
    account: FareAccountId,
    *,
    by: Actor,
    what: str,
    purpose: str,
    now: datetime,
    request_id: str = "",
) -> None:
    """Write down that somebody other than the rider saw the account's data, and what for."""
    store.insert_access(
        tx,
        account,
        access_id=uuid7(now),
        actor=(by.kind.value, by.actor_id),
        what=what,
        purpose=purpose,
        request_id=request_id,
        now=now,
    )


def list_looks(tx: Connection, account: FareAccountId, *, limit: int = 100) -> tuple[AccessRow, ...]:
    """Return who looked at the account's data, the newest first."""
    return store.list_access(tx, account, limit=limit)


def _hash(keyring: Keyring, account: FareAccountId, code: str) -> bytes:
    return keyring.lookup(_KIND, account.bytes + code.encode())


def _audit(tx: Connection, by: Actor, action: str, account: FareAccountId, now: datetime) -> None:
    audit.record(tx, actor=by, action=action, subject_kind="fare_account", subject_id=str(account), now=now)
