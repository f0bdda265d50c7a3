"""The chain of seals as a stranger checks it: links, heads, signatures, and keys that vouch for the next one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from kernel.crypto.ed25519 import SigningKey, VerifyKey
from ledger.rules.history import Frontier
from ledger.rules.proof import Fault, FaultKind
from ledger.rules.seal import GENESIS, Seal, head_hash, message_of, signed_by

KEY_CONTEXT: Final = b"lienthong/seal-key/1"


@dataclass(frozen=True, slots=True)
class SealKey:
    """A public key that seals are signed with.

    One that took over from another says which, from what position on, and carries that one's signature; a key
    that nobody introduced has None in all three.
    """

    key: VerifyKey
    introduced_by: bytes | None = None
    from_position: int | None = None
    introduction: bytes | None = None


def introduction_message(public: bytes, from_position: int, previous_head: bytes) -> bytes:
    """Return what an outgoing key signs: the new public key, the first position it seals, the head before it."""
    return public + from_position.to_bytes(4, "big") + previous_head


def introduce(new: VerifyKey, old: SigningKey, from_position: int, previous_head: bytes) -> SealKey:
    """Return a new seal key as the outgoing one vouches for it."""
    message = introduction_message(new.raw, from_position, previous_head)
    return SealKey(new, old.public.key_id, from_position, old.sign(KEY_CONTEXT, message))


def chain_faults(
    seals: Sequence[Seal],
    trusted: Mapping[bytes, VerifyKey],
    introduced: Iterable[SealKey] = (),
    *,
    held: Iterable[bytes] = (),
) -> tuple[Fault, ...]:
    """Return what is wrong with a chain from its first seal on; nothing when it holds.

    A signature counts under a trusted key, or under one that a key valid until then introduced; from an
    introduction on, the outgoing key signs no more. Once a seal signed its history, each one after it does. `held` are heads that somebody kept: each must be there.
    """
    faults: list[Fault] = []
    valid = dict(trusted)
    due: dict[int, list[SealKey]] = {}
    for one in introduced:
        if one.from_position is not None:
            due.setdefault(one.from_position, []).append(one)
    previous, position, day = GENESIS, 0, date.min
    history, signed_before = Frontier(), False
    for seal in seals:
        where = f"{seal.book_day} (position {seal.position})"
        for one in due.get(seal.position, ()):
            faults += _take_over(one, valid, previous, where)
        if seal.position != position + 1 or seal.book_day <= day:
            faults.append(Fault(FaultKind.SEAL_CHAIN, where, f"position {position + 1}", str(seal.position)))
        if seal.previous_head != previous:
            faults.append(Fault(FaultKind.SEAL_CHAIN, where, previous.hex(), seal.previous_head.hex()))
        root = history.root()
        if seal.history != root and (signed_before or seal.history is not None):
            found = "none" if seal.history is None else seal.history.hex()
            faults.append(Fault(FaultKind.SEAL_CHAIN, where, f"history {root.hex()}", found))
        if (head := head_hash(message_of(seal))) != seal.head:
            faults.append(Fault(FaultKind.SEAL, where, head.hex(), seal.head.hex()))
        key = valid.get(seal.key_id)
        if key is None or not signed_by(seal, key):
            found = "unknown key" if key is None else "invalid"
            faults.append(Fault(FaultKind.SIGNATURE, where, f"valid under {seal.key_id.hex()}", found))
        history.append(seal.head)
        signed_before = seal.history is not None
        previous, position, day = seal.head, seal.position, seal.book_day
    missing = set(held) - {seal.head for seal in seals}
    faults += [
        Fault(FaultKind.SEAL_CHAIN, f"head {head.hex()}", "in the chain", "nowhere") for head in missing
    ]
    return tuple(faults)


def _take_over(one: SealKey, valid: dict[bytes, VerifyKey], previous: bytes, where: str) -> list[Fault]:
    assert one.introduced_by is not None
    assert one.from_position is not None
    assert one.introduction is not None
    old = valid.get(one.introduced_by)
    message = introduction_message(one.key.raw, one.from_position, previous)
    if old is None or not old.verify(KEY_CONTEXT, message, one.introduction):
        found = "unknown key" if old is None else "invalid"
        expected = f"introduced by {one.introduced_by.hex()}"
        return [Fault(FaultKind.SEAL_KEY, f"{one.key.key_id.hex()} from {where}", expected, found)]
    del valid[one.introduced_by]
    valid[one.key.key_id] = one.key
    return []
