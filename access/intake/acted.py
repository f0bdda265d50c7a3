"""Actions that readers carried out: a tap's record names the one, and the card's own proof vouches for it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import actions
from access.actions import ActionOutcome, UnknownActionError
from access.intake.examine import Seen
from access.keyring import Keyring
from access.rules.actionlist import REASON, ActionKind
from access.store import card_actions, cards, torn
from access.store.evidence import ClaimRow
from access.vault import unwrapped
from kernel.ids import CardId
from kernel.wire.tap import TapRecord, decode_tap

_NOT_COMMITTED: Final = "its tap was torn and the card did not commit it; ask again"


def end_actions(tx: Connection, seen: Iterable[Seen], faulty: Container[int], *, now: datetime) -> None:
    """End the actions that these fresh records name, once each.

    Only a record with a valid MAC and no fault counts. A name that is none of this card's actions changes nothing:
    evidence never fails for it.
    """
    for one in seen:
        if one.card is None or not one.proof or one.record.sequence in faulty:
            continue
        action_id = _named(one.record)
        if action_id is not None:
            _end(tx, one.card.card_id, action_id, ActionOutcome.DONE, _device(one.record), now)


def end_torn_actions(
    tx: Connection, seen: Sequence[Seen], claims: Sequence[ClaimRow], *, keyring: Keyring, now: datetime
) -> None:
    """End the actions of torn taps whose end these records tell, whichever reader brought them and in whatever order.

    A torn tap that had committed has done what it names. A load that was not committed is withdrawn: the reader that
    began it may not begin it again, since to it the card looks as if it had, and its amount is free to be asked for anew.
    That reader's own word alone does so: another's torn tap that names the load says nothing of it.
    """
    keys = {(claim.card_id, claim.counter - back) for claim in claims for back in (0, 1)}
    keys |= {(one.card_id, one.record.tmc) for one in seen if one.torn}
    settled = torn.list_settled_of_waiting(tx, keys) if keys else ()
    if not settled:
        return
    vault = unwrapped(keyring, cards.list_data_keys(tx, {each.tap.sealed_under for each in settled}))
    for card_id, tap, committed in settled:
        if not vault.holds(tap.sealed_under):
            continue
        record = decode_tap(vault.open(tap.sealed_under, tap.sealed, tap.tap_id.bytes + tap.record_hash))
        action_id = _named(record)
        if action_id is None:
            continue
        if committed:
            _end(tx, card_id, action_id, ActionOutcome.DONE, _device(record), now)
        elif _is_load_at(tx, card_id, action_id, record.device_id):
            _end(tx, card_id, action_id, ActionOutcome.WITHDRAWN, f"{_device(record)}: {_NOT_COMMITTED}", now)


def _named(record: TapRecord) -> UUID | None:
    if record.reason.startswith(REASON):
        with suppress(ValueError):
            return UUID(record.reason.removeprefix(REASON))
    return None


def _is_load_at(tx: Connection, card_id: UUID, action_id: UUID, device_id: UUID) -> bool:
    asked = card_actions.find(tx, card_id, action_id)
    return (
        asked is not None
        and asked.action == ActionKind.LOAD_PURSE.value
        and asked.detail["device"] == str(device_id)
    )


def _end(
    tx: Connection, card_id: UUID, action_id: UUID, outcome: ActionOutcome, by: str, now: datetime
) -> None:
    with suppress(UnknownActionError):
        actions.finish(tx, CardId(card_id), action_id, outcome, by=by, now=now)


def _device(record: TapRecord) -> str:
    return f"device {record.device_id}"
