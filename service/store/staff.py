"""Staff users, their roles and API credentials."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.ids import StaffId


@dataclass(frozen=True, slots=True)
class StaffRow:
    """A staff user as stored; `grants` are (role, operator) pairs, the operator "" meaning all."""

    staff_id: StaffId
    email: str
    display_name: str
    password_hash: str | None
    active: bool
    sign_in_epoch: int
    grants: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """An API credential that is neither expired nor revoked."""

    credential_id: UUID
    name: str
    role: str
    operator_id: str


_SELECT = """
SELECT u.staff_id, u.email, u.display_name, u.password_hash, u.active, u.sign_in_epoch,
       coalesce(array_agg(r.role || ':' || r.operator_id ORDER BY r.role, r.operator_id)
                FILTER (WHERE r.role IS NOT NULL), '{}') AS grants
FROM staff_user u LEFT JOIN staff_role r ON r.staff_id = u.staff_id
"""


def insert(
    tx: Connection, *, staff_id: StaffId, email: str, display_name: str, password_hash: str, now: datetime
) -> bool:
    """Insert a staff user; return False, changing nothing, when the e-mail is taken."""
    done = tx.execute(
        text(
            "INSERT INTO staff_user (staff_id, email, display_name, password_hash, created_at)"
            " VALUES (:id, :email, :name, :hash, :now) ON CONFLICT ON CONSTRAINT staff_user_email_unique DO NOTHING"
        ),
        {"id": staff_id, "email": email, "name": display_name, "hash": password_hash, "now": now},
    )
    return done.rowcount == 1


def grant(tx: Connection, *, staff_id: StaffId, role: str, operator_id: str, now: datetime) -> None:
    """Give a role; a role that is already held stays as it is."""
    tx.execute(
        text(
            "INSERT INTO staff_role (staff_id, role, operator_id, granted_at) VALUES (:id, :role, :operator, :now)"
            " ON CONFLICT ON CONSTRAINT staff_role_pk DO NOTHING"
        ),
        {"id": staff_id, "role": role, "operator": operator_id, "now": now},
    )


def find_by_email(tx: Connection, email: str) -> StaffRow | None:
    """Return the staff user with this (lower-case) address, or None."""
    row = tx.execute(
        text(f"{_SELECT} WHERE u.email = :email GROUP BY u.staff_id"), {"email": email}
    ).one_or_none()
    return None if row is None else _staff(row)


def find(tx: Connection, staff_id: UUID) -> StaffRow | None:
    """Return the staff user with this id, or None."""
    row = tx.execute(
        text(f"{_SELECT} WHERE u.staff_id = :id GROUP BY u.staff_id"), {"id": staff_id}
    ).one_or_none()
    return None if row is None else _staff(row)


def list_all(tx: Connection) -> tuple[StaffRow, ...]:
    """Return all staff users by e-mail."""
    return tuple(_staff(row) for row in tx.execute(text(f"{_SELECT} GROUP BY u.staff_id ORDER BY u.email")))


def set_password(tx: Connection, staff_id: StaffId, password_hash: str) -> None:
    """Replace the password; every sign-in made with the old one ends."""
    tx.execute(
        text(
            "UPDATE staff_user SET password_hash = :hash, sign_in_epoch = sign_in_epoch + 1 WHERE staff_id = :id"
        ),
        {"id": staff_id, "hash": password_hash},
    )


def end_sign_ins(tx: Connection, staff_id: StaffId) -> None:
    """End every sign-in of this staff user, on all devices."""
    tx.execute(
        text("UPDATE staff_user SET sign_in_epoch = sign_in_epoch + 1 WHERE staff_id = :id"), {"id": staff_id}
    )


def insert_credential(
    tx: Connection,
    *,
    credential_id: UUID,
    token_hash: bytes,
    name: str,
    role: str,
    operator_id: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Insert an API credential; only the hash of its token is kept."""
    tx.execute(
        text(
            "INSERT INTO api_credential (credential_id, token_hash, name, role, operator_id, created_at, expires_at)"
            " VALUES (:id, :hash, :name, :role, :operator, :now, :ends)"
        ),
        {
            "id": credential_id,
            "hash": token_hash,
            "name": name,
            "role": role,
            "operator": operator_id,
            "now": now,
            "ends": expires_at,
        },
    )


def list_names(tx: Connection, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return what those of these ids that are staff users or credentials are called."""
    rows = tx.execute(
        text(
            "SELECT staff_id, display_name FROM staff_user WHERE staff_id = ANY (CAST(:ids AS uuid[]))"
            " UNION ALL SELECT credential_id, name FROM api_credential WHERE credential_id = ANY (CAST(:ids AS uuid[]))"
        ),
        {"ids": list(ids)},
    )
    return {row[0]: row[1] for row in rows}


def find_credential(tx: Connection, token_hash: bytes, now: datetime) -> CredentialRow | None:
    """Return the live credential whose token has this SHA-256, or None."""
    row = tx.execute(
        text(
            "SELECT credential_id, name, role, operator_id FROM api_credential"
            " WHERE token_hash = :hash AND revoked_at IS NULL AND expires_at > :now"
        ),
        {"hash": token_hash, "now": now},
    ).one_or_none()
    return None if row is None else CredentialRow(*row)


def _staff(row: Row[tuple[object, ...]]) -> StaffRow:
    grants: Iterable[str] = row.grants
    return StaffRow(
        StaffId(row.staff_id),
        row.email,
        row.display_name,
        row.password_hash,
        row.active,
        row.sign_in_epoch,
        tuple((role, operator) for role, _, operator in (entry.partition(":") for entry in grants)),
    )
