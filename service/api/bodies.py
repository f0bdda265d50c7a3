"""What answers have in common, as the API's description shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from kernel.wire.cardinfo import Concession
from service.api.ledger_documents import MoneyBody
from service.problems import CONTENT_TYPE, TABLE

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
ConcessionName = Literal[
    "normal", "priority", "free_merit", "free_senior", "free_child", "free_disabled", "free_poor", "group"
]
assert get_args(ConcessionName) == tuple(one.name.lower() for one in Concession), "each has its word"


class Body(BaseModel):
    """An answer. A field that its class does not name is our mistake: tests fail for it, and the log tells of it (`service.answers`)."""

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


AGAIN: Final = "Asked before: nothing changes"


def answers(status: int, schema: str, said: str) -> dict[int | str, Any]:
    """Return the answer of one more status; `schema` is the name of one that a route puts out."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {status: {"description": said, "content": content}}


def again(body: type[BaseModel]) -> dict[int | str, Any]:
    """Return the answer of a route that says 201 with this body, where the same is asked once more."""
    return answers(200, body.__name__, AGAIN)


_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "retry"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "retry": {"type": "boolean"},
    },
}


def refused(by_status: Mapping[int, str]) -> dict[int | str, Any]:
    """Return the answers that are problem documents (RFC 9457), each with its words, for the description."""
    content = {CONTENT_TYPE: {"schema": _PROBLEM}}
    return {status: {"description": what, "content": content} for status, what in by_status.items()}


def refusals(*problems: str) -> dict[int | str, Any]:
    """Return the problems that a route may answer with by their status, for the description."""
    by_status: dict[int, list[str]] = {}
    for name in ("not-authenticated", "not-allowed", *problems):
        by_status.setdefault(TABLE[name].status, []).append(name)
    return refused({status: ", ".join(names) for status, names in by_status.items()})
