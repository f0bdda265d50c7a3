"""SQL of proposed changes of published rates. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRow:
    """What was asked for, as JSON text ("" where the element is to go); `version` 0 is of an element that is new.

    `operators` run the places that it touches; "" among them is the city.
    """

    proposal_id: UUID
    action: str
    kind: str
    element_id: str
    version: int
    asked: str
    effective_at: datetime | None
    operators: list[str]
    proposed_by: str
    proposed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRow:
    """What became of a proposal; `rates_version` is what was published ("" where nothing was)."""

    proposal_id: UUID
    outcome: str
    ended_by: str
    ended_at: datetime
    note: str
    rates_version: str


_NAMES = tuple(each.name for each in fields(ProposalRow))
_ENDS = tuple(each.name for each in fields(EndRow))
_READ = f"""
SELECT {", ".join(f"p.{name}" for name in _NAMES)}, {", ".join(f"e.{name}" for name in _ENDS)}
FROM parking_rate_proposal p LEFT JOIN parking_rate_proposal_end e USING (proposal_id)
"""


def insert_proposal(tx: Connection, row: ProposalRow) -> None:
    """Write a proposal."""
    _insert(tx, "parking_rate_proposal", _NAMES, asdict(row))


def insert_end(tx: Connection, row: EndRow) -> None:
    """Write what became of a proposal."""
    _insert(tx, "parking_rate_proposal_end", _ENDS, asdict(row))


def _insert(tx: Connection, table: str, names: tuple[str, ...], values: dict[str, object]) -> None:
    columns, marks = ", ".join(names), ", ".join(f":{name}" for name in names)
    tx.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({marks})"), values)


def find_proposal(tx: Connection, proposal_id: UUID) -> tuple[ProposalRow, EndRow | None] | None:
    """Return a proposal and what became of it."""
    rows = tx.execute(text(_READ + "WHERE p.proposal_id = :id"), {"id": proposal_id})
    return next((_both(tuple(row)) for row in rows), None)


def list_proposals(
    tx: Connection, operators: Collection[str] | None, *, open_only: bool, limit: int
) -> list[tuple[ProposalRow, EndRow | None]]:
    """Return proposals that touch only these operators' places (None: all), the newest first."""
    rows = tx.execute(
        text(
            _READ
            + """
            WHERE (CAST(:operators AS text[]) IS NULL OR p.operators <@ CAST(:operators AS text[]))
              AND (NOT :open_only OR e.proposal_id IS NULL)
            ORDER BY p.proposed_at DESC, p.proposal_id LIMIT :limit
            """
        ),
        {
            "operators": None if operators is None else list(operators),
            "open_only": open_only,
            "limit": limit,
        },
    )
    return [_both(tuple(row)) for row in rows]


def _both(row: tuple[object, ...]) -> tuple[ProposalRow, EndRow | None]:
    mine, ended = row[: len(_NAMES)], row[len(_NAMES) :]
    end = None if ended[0] is None else EndRow(**dict(zip(_ENDS, ended, strict=True)))  # type: ignore[arg-type]
    return ProposalRow(**dict(zip(_NAMES, mine, strict=True))), end  # type: ignore[arg-type]
