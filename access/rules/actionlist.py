"""What readers are asked to do to cards when they next see them: load a pass, unblock, re-key. Content and versions.

It travels as the deny list does: one signed, versioned document that a reader holds whole; a rolled-back one is
refused. An action is done at most once, so a reader that sees it twice reports the same outcome twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Self
from uuid import UUID

from kernel.errors import DomainError

FORMAT: Final = "lienthong-actions/1"
REASON: Final = "action:"
"""How a tap's record begins its reason when the tap carried out an action; the action's id follows."""
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_ACTIONS: Final = 20_000
LARGEST_LOAD: Final = 5_000_000
"""What one action may put onto a card, in đồng: a typing mistake is no fortune."""


class ActionKind(Enum):
    """What to do."""

    LOAD_PASS = "load_pass"  # noqa: S105  (a transit pass)
    UNBLOCK = "unblock"
    RE_KEY = "re_key"
    LOAD_PURSE = "load_purse"


NEEDS: Final[Mapping[ActionKind, frozenset[str]]] = {
    ActionKind.LOAD_PASS: frozenset({"pass_id", "product_id", "valid_from", "valid_until"}),
    ActionKind.UNBLOCK: frozenset(),
    ActionKind.RE_KEY: frozenset({"generation"}),
    ActionKind.LOAD_PURSE: frozenset({"amount", "device", "asked_at"}),
}
"""Which details each kind carries: all of them, and no others."""


def is_amount(text: str) -> bool:
    """Return whether a text is an amount that may be loaded onto a purse."""
    return text.isascii() and text.isdecimal() and len(text) <= 8 and 0 < int(text) <= LARGEST_LOAD


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


class BadActionError(DomainError):
    """The action's details are not those of its kind."""

    detail = "Action {action} cannot be: {why}."


class MalformedActionListError(DomainError):
    """The bytes are no action list."""

    detail = "The action list is malformed: {why}."


@dataclass(frozen=True, slots=True)
class Action:
    """One action for one card, to be done before `until_at`. `detail` is text by text; never a key."""

    serial: int
    action_id: UUID
    kind: ActionKind
    detail: Mapping[str, str]
    until_at: datetime

    def __post_init__(self) -> None:
        if self.detail.keys() != NEEDS[self.kind]:
            needs = ", ".join(sorted(NEEDS[self.kind])) or "no details"
            raise BadActionError(action=self.kind.value, why=f"it takes {needs}")
        if self.kind is ActionKind.RE_KEY and not self.detail["generation"].isdecimal():
            raise BadActionError(action=self.kind.value, why="a generation is a number")
        if self.kind is ActionKind.LOAD_PURSE and not is_amount(self.detail["amount"]):
            raise BadActionError(action=self.kind.value, why=f"an amount is 1 to {LARGEST_LOAD} đồng")
        if self.kind is ActionKind.LOAD_PURSE and not (
            _is_uuid(self.detail["device"]) and _is_instant(self.detail["asked_at"])
        ):
            raise BadActionError(
                action=self.kind.value, why="it names its reader by id, and an aware instant"
            )
        if self.until_at.tzinfo is None:
            raise BadActionError(action=self.kind.value, why="its end is an aware instant")


@dataclass(frozen=True, slots=True)
class ActionList:
    """One version of the list."""

    version: int
    actions: tuple[Action, ...]

    @classmethod
    def of(cls, version: int, actions: Iterable[Action]) -> Self:
        """Return the list with these actions, in the order of serials and then of their ids."""
        return cls(version, tuple(sorted(actions, key=lambda one: (one.serial, one.action_id))))

    def for_card(self, serial: int, at: datetime) -> tuple[Action, ...]:
        """Return what is to be done to a card at an instant, in order."""
        return tuple(one for one in self.actions if one.serial == serial and at < one.until_at)

    def replaces(self, held: int) -> bool:
        """Return whether a reader that holds another version takes this one: only a newer one."""
        return self.version > held

    def encode(self) -> bytes:
        """Return the list's bytes: canonical JSON, the same for the same list."""
        document = {
            "format": FORMAT,
            "version": self.version,
            "actions": [
                {
                    "serial": one.serial,
                    "action_id": str(one.action_id),
                    "action": one.kind.value,
                    "detail": dict(one.detail),
                    "until": one.until_at.isoformat(),
                }
                for one in self.actions
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the list of these bytes; MalformedActionListError for any others."""
        if len(raw) > MAX_BYTES:
            raise MalformedActionListError(why="it is too large")
        try:
            document = json.loads(raw)
            if document["format"] != FORMAT:
                raise MalformedActionListError(why="it is of another format")
            actions = [
                Action(
                    int(row["serial"]),
                    UUID(row["action_id"]),
                    ActionKind(row["action"]),
                    {str(name): str(value) for name, value in row["detail"].items()},
                    datetime.fromisoformat(row["until"]),
                )
                for row in document["actions"]
            ]
            version = int(document["version"])
        except BadActionError as error:
            raise MalformedActionListError(why=str(error)) from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise MalformedActionListError(why="it does not have the documented shape") from None
        made = cls.of(version, actions)
        if made.encode() != raw:
            raise MalformedActionListError(why="it is not in canonical form")
        return made
