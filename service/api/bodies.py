"""What answers have in common, as the API's description shows it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from service.api.ledger_documents import MoneyBody

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Body(BaseModel):
    """An answer. A field that its class does not name is our mistake and fails, so that the description stays true."""

    model_config = ConfigDict(extra="forbid")


class StepBody(Body):
    """What a person did, when, and why."""

    event: str
    by: str
    at: Instant
    note: str


class PartBody(Body):
    """An operator's part of something."""

    operator_id: str
    amount: MoneyBody


class CountBody(Body):
    """How many were concerned."""

    count: int


_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}


def files(*kinds: str, empty: str = "") -> dict[int | str, Any]:
    """Return the answers of a route that hands out a file of these content types, for the description.

    `empty` says when there is none, and 204 is answered.
    """
    found: dict[int | str, Any] = {
        200: {"description": "The file", "content": dict.fromkeys(kinds, _BYTES)},
    }
    return found | ({204: {"description": empty}} if empty else {})
