"""Staff users: who may work in the back office, and in which roles."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final
from uuid import UUID

import argon2
from sqlalchemy import Connection

from kernel.ids import OperatorId, StaffId, uuid7
from service import audit
from service.audit import Actor
from service.errors import (
    ScopeMissingError,
    StaffUserExistsError,
    StaffUserInactiveError,
    StaffUserUnknownError,
    WeakPasswordError,
)
from service.store import staff as store

# OWASP ASVS 4.0, 2.1.1 and 2.1.2; the upper bound keeps a hostile password from costing a long hash.
LEAST_PASSWORD: Final = 12
MOST_PASSWORD: Final = 128
TOKEN_PREFIX: Final = "lt_"  # noqa: S105  (marks our tokens for secret scanners)
ALL_OPERATORS: Final = OperatorId("")
# RFC 9106 §4, second recommended option (64 MiB, 3 passes, 4 lanes), the library's default.
_HASHER: Final = argon2.PasswordHasher()


class Role(StrEnum):
    """What a caller is allowed to be (DESIGN §6)."""

    RIDER = "rider"
    INSPECTOR = "inspector"
    AGENT = "agent"
    PARKING_OPERATOR = "parking_operator"
    FINANCE_MAKER = "finance_maker"
    FINANCE_CHECKER = "finance_checker"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, limited to one operator's places or (operator "") not limited."""

    role: Role
    operator_id: OperatorId = ALL_OPERATORS

    def __post_init__(self) -> None:
        if self.role is Role.PARKING_OPERATOR and not self.operator_id:
            raise ScopeMissingError(role=self.role.value)


@dataclass(frozen=True, slots=True)
class StaffUser:
    """A member of staff; `epoch` rises whenever all their sign-ins end."""

    staff_id: StaffId
    email: str
    display_name: str
    active: bool
    epoch: int
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """A machine's access: one role, one token."""

    credential_id: UUID
    name: str
    grant: Grant


def add(
    tx: Connection,
    *,
    email: str,
    display_name: str,
    password: str,
    grants: tuple[Grant, ...],
    by: Actor,
    now: datetime,
) -> StaffUser:
    """Make a staff user and return it. Refuses a taken e-mail and a password outside 12–128 characters."""
    address = email.strip().lower()
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise WeakPasswordError(least=LEAST_PASSWORD, most=MOST_PASSWORD)
    staff_id = StaffId(uuid7(now))
    if not store.insert(
        tx,
        staff_id=staff_id,
        email=address,
        display_name=display_name,
        password_hash=_HASHER.hash(password),
        now=now,
    ):
        raise StaffUserExistsError(email=address)
    for grant in grants:
        store.grant(tx, staff_id=staff_id, role=grant.role.value, operator_id=grant.operator_id, now=now)
    _audit(tx, by, "staff.add", staff_id, now, {"roles": [f"{g.role}:{g.operator_id}" for g in grants]})
    return StaffUser(staff_id, address, display_name, active=True, epoch=0, grants=grants)


def set_password(tx: Connection, *, email: str, password: str, by: Actor, now: datetime) -> None:
    """Replace a password and end all sign-ins. Refuses an unknown e-mail and a weak password."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise WeakPasswordError(least=LEAST_PASSWORD, most=MOST_PASSWORD)
    row = store.find_by_email(tx, email.strip().lower())
    if row is None:
        raise StaffUserUnknownError(email=email)
    store.set_password(tx, row.staff_id, _HASHER.hash(password))
    _audit(tx, by, "staff.set_password", row.staff_id, now, {})


def end_sign_ins(tx: Connection, *, by: Actor, now: datetime) -> None:
    """End every sign-in of the staff user who asks: a cookie cannot be called back one by one."""
    assert by.kind is audit.ActorKind.STAFF, "only a person signs in and out"
    staff_id = StaffId(UUID(by.actor_id))
    store.end_sign_ins(tx, staff_id)
    _audit(tx, by, "staff.sign_out", staff_id, now, {})


def get_active(tx: Connection, email: str) -> StaffUser:
    """Return the staff user of an e-mail; refuses an unknown one and one that is no longer active."""
    row = store.find_by_email(tx, email.strip().lower())
    if row is None:
        raise StaffUserUnknownError(email=email)
    if not row.active:
        raise StaffUserInactiveError(email=row.email)
    return _user(row)


def check_password(tx: Connection, *, email: str, password: str, now: datetime) -> StaffUser | None:
    """Return the staff user whose e-mail and password these are, or None; both take equally long."""
    row = store.find_by_email(tx, email.strip().lower())
    known = row.password_hash if row is not None and row.active else None
    try:
        _HASHER.verify(known or _decoy(), password[:MOST_PASSWORD])
    except argon2.exceptions.VerifyMismatchError:
        return None
    if row is None or known is None:
        return None
    _audit(tx, Actor(audit.ActorKind.STAFF, str(row.staff_id)), "staff.sign_in", row.staff_id, now, {})
    return _user(row)


def find(tx: Connection, staff_id: UUID) -> StaffUser | None:
    """Return the staff user with this id, or None."""
    row = store.find(tx, staff_id)
    return None if row is None else _user(row)


def list_staff(tx: Connection) -> tuple[StaffUser, ...]:
    """Return all staff users by e-mail."""
    return tuple(_user(row) for row in store.list_all(tx))


def add_credential(
    tx: Connection, *, name: str, grant: Grant, valid: timedelta, by: Actor, now: datetime
) -> tuple[Credential, str]:
    """Make an API credential; return it and its token, which is shown this once and stored only as a hash."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    credential = Credential(uuid7(now), name, grant)
    store.insert_credential(
        tx,
        credential_id=credential.credential_id,
        token_hash=token_hash(token),
        name=name,
        role=grant.role.value,
        operator_id=grant.operator_id,
        now=now,
        expires_at=now + valid,
    )
    audit.record(
        tx,
        actor=by,
        action="credential.add",
        subject_kind="credential",
        subject_id=str(credential.credential_id),
        now=now,
        detail={"role": grant.role.value, "operator_id": grant.operator_id},
    )
    return credential, token


def find_credential(tx: Connection, token: str, now: datetime) -> Credential | None:
    """Return the live credential of a token, or None."""
    row = store.find_credential(tx, token_hash(token), now)
    if row is None:
        return None
    return Credential(row.credential_id, row.name, Grant(Role(row.role), OperatorId(row.operator_id)))


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of a token: it is 256 random bits, so a slow hash would protect nothing."""
    return hashlib.sha256(token.encode()).digest()


def _audit(
    tx: Connection, by: Actor, action: str, staff_id: StaffId, now: datetime, detail: dict[str, object]
) -> None:
    audit.record(
        tx, actor=by, action=action, subject_kind="staff", subject_id=str(staff_id), now=now, detail=detail
    )


def _user(row: store.StaffRow) -> StaffUser:
    grants = tuple(Grant(Role(role), OperatorId(operator)) for role, operator in row.grants)
    return StaffUser(row.staff_id, row.email, row.display_name, row.active, row.sign_in_epoch, grants)


@cache
def _decoy() -> str:
    """A hash nobody knows the password of, so that an unknown e-mail takes as long as a known one."""
    return _HASHER.hash(secrets.token_hex(16))
