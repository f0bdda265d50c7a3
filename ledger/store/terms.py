"""SQL of operators' terms: versions that one person proposed and another signed. Takes `tx`, decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from kernel.ids import OperatorId
from ledger.rules.terms import Share, Terms


@dataclass(frozen=True, slots=True)
class TermsRow:
    """A version as it stands; `approved` is None while nobody has signed."""

    version: int
    terms: Terms
    proposed_by: str
    proposed_at: datetime
    approved: bool | None
    decided_by: str
    decided_at: datetime | None

    @property
    def state(self) -> str:
        """Return proposed, signed or refused."""
        return {None: "proposed", True: "signed", False: "refused"}[self.approved]


_SELECT = """
SELECT t.operator_id, t.version, t.valid_from, t.terms, t.proposed_by, t.proposed_at, e.approved,
       coalesce(e.decided_by, ''), e.decided_at
FROM ledger_operator_terms t LEFT JOIN ledger_operator_terms_end e USING (operator_id, version)
"""


def lock(tx: Connection, operator: str) -> None:
    """Make changes of one operator's terms wait for each other."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('operator-terms:' || :operator, 0))"),
        {"operator": operator},
    )


def insert(tx: Connection, version: int, terms: Terms, *, by: str, now: datetime) -> None:
    """Write a version."""
    tx.execute(
        text(
            "INSERT INTO ledger_operator_terms (operator_id, version, valid_from, terms, proposed_by, proposed_at)"
            " VALUES (:operator, :version, :valid_from, CAST(:terms AS jsonb), :by, :now)"
        ),
        {
            "operator": terms.operator_id,
            "version": version,
            "valid_from": terms.valid_from,
            "terms": json.dumps(to_json(terms), ensure_ascii=False, sort_keys=True),
            "by": by,
            "now": now,
        },
    )


def insert_end(
    tx: Connection, operator: str, version: int, *, approved: bool, by: str, now: datetime
) -> None:
    """Write down what the second person said."""
    tx.execute(
        text(
            "INSERT INTO ledger_operator_terms_end (operator_id, version, approved, decided_by, decided_at)"
            " VALUES (:operator, :version, :approved, :by, :now)"
        ),
        {"operator": operator, "version": version, "approved": approved, "by": by, "now": now},
    )


def list_versions(tx: Connection, operator: str | None = None) -> tuple[TermsRow, ...]:
    """Return all versions of an operator's terms, or of everybody's, oldest first."""
    rows = tx.execute(
        text(
            f"{_SELECT} WHERE CAST(:operator AS text) IS NULL OR t.operator_id = :operator"
            ' ORDER BY t.operator_id COLLATE "C", t.version'
        ),
        {"operator": operator},
    )
    return tuple(map(_row, rows))


def list_in_force(tx: Connection, day: date, signed_by: datetime) -> tuple[TermsRow, ...]:
    """Return the terms that hold on a day, one an operator: of those signed by an instant the newest that began."""
    rows = tx.execute(
        text(
            f"SELECT DISTINCT ON (operator_id) * FROM ({_SELECT} WHERE e.approved AND e.decided_at <= :by AND t.valid_from <= :day) AS held"
            " ORDER BY operator_id, valid_from DESC, version DESC"
        ),
        {"day": day, "by": signed_by},
    )
    return tuple(map(_row, rows))


def to_json(terms: Terms) -> dict[str, Any]:
    """Return terms as JSON has them."""
    return {
        "name": terms.name,
        "account": terms.account,
        "bank": terms.bank,
        "bic": terms.bic,
        "fee_basis_points": terms.fee_basis_points,
        "fee_per_trip": terms.fee_per_trip,
        "shares": [
            {"house": one.house, "route": one.route, "to": one.to, "per_mille": one.per_mille}
            for one in terms.shares
        ],
    }


def from_json(operator: str, valid_from: date, body: dict[str, Any]) -> Terms:
    """Return the terms that `to_json` wrote, or a person; BadTermsError, and KeyError for a part that is missing."""
    return Terms(
        operator_id=OperatorId(operator),
        valid_from=valid_from,
        name=str(body["name"]),
        account=str(body["account"]),
        bank=str(body["bank"]),
        bic=str(body.get("bic", "")),
        fee_basis_points=int(body.get("fee_basis_points", 0)),
        fee_per_trip=int(body.get("fee_per_trip", 0)),
        shares=tuple(
            Share(
                house=str(one["house"]),
                route=str(one["route"]),
                to=OperatorId(str(one["to"])),
                per_mille=int(one["per_mille"]),
            )
            for one in body.get("shares", [])
        ),
    )


def _row(row: Sequence[Any]) -> TermsRow:
    return TermsRow(row[1], from_json(row[0], row[2], row[3]), row[4], row[5], row[6], row[7], row[8])
