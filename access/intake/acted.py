"""Actions that readers carried out: a tap's record names the one, and the card's own proof vouches for it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import actions
from access.actions import ActionOutcome
from access.intake.examine import Seen
from access.keyring import Keyring
from access.rules.actionlist import Action, ActionKind
from access.rules.held import carried_out, named_action
from access.store import cards, torn
from access.store.evidence import ClaimRow
from access.vault import unwrapped
from kernel.ids import CardId
from kernel.wire.tap import TapRecord, decode_tap

_NOT_COMMITTED: Final = "its tap was torn and the card did not commit it; ask again"


def end_actions(tx: Connection, seen: Iterable[Seen], faulty: Container[int], *, now: datetime) -> None:
    """End the actions that these fresh records name, once each.

    Only a record with a valid MAC and no fault counts, and for a load only what that MAC covers. A name that is none of
    this card's actions changes nothing: evidence never fails for it.
    """
    for one in seen:
        if one.card is None or not one.proof or one.record.sequence in faulty:
            continue
        action = _action(tx, one.card.card_id, one.record)
        if action is not None and carried_out(one.record, action):
            _end(tx, one.card.card_id, action, ActionOutcome.DONE, _device(one.record), now)


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
    keys |= {(one.card_id, one.record.prior_tmc) for one in seen if one.read_back}
    settled = torn.list_settled_of_waiting(tx, keys) if keys else ()
    if not settled:
        return
    vault = unwrapped(keyring, cards.list_data_keys(tx, {each.tap.sealed_under for each in settled}))
    for card_id, tap, committed in settled:
        if not vault.holds(tap.sealed_under):
            continue
        record = decode_tap(vault.open(tap.sealed_under, tap.sealed, tap.tap_id.bytes + tap.record_hash))
        action = _action(tx, card_id, record)
        if action is None:
            continue
        if committed:
            if carried_out(record, action):
                _end(tx, card_id, action, ActionOutcome.DONE, _device(record), now)
        elif action.kind is ActionKind.LOAD_PURSE and action.detail["device"] == str(record.device_id):
            _end(tx, card_id, action, ActionOutcome.WITHDRAWN, f"{_device(record)}: {_NOT_COMMITTED}", now)


def _action(tx: Connection, card_id: UUID, record: TapRecord) -> Action | None:
    named = named_action(record)
    return actions.find(tx, CardId(card_id), named) if named is not None else None


def _end(
    tx: Connection, card_id: UUID, action: Action, outcome: ActionOutcome, by: str, now: datetime
) -> None:
    actions.finish(tx, CardId(card_id), action.action_id, outcome, by=by, now=now)


def _device(record: TapRecord) -> str:
    return f"device {record.device_id}"
