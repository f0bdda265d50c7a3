"""The proof that one seal extends another without those in between, and how a stranger checks it."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.crypto.ed25519 import VerifyKey
from ledger.rules.chain import KEY_CONTEXT, SealKey, introduction_message
from ledger.rules.history import walk
from ledger.rules.seal import Seal, verify_seal


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A key that took over between two seals, and the head it was introduced on."""

    key: SealKey
    previous_head: bytes


@dataclass(frozen=True, slots=True)
class Extension:
    """What convinces a stranger who holds a head that a later seal extends it.

    `path` leads from the earlier head to the root that the later seal signed, past the one that the earlier signed.
    `keys` took over in between, in order.
    """

    earlier: Seal
    later: Seal
    path: tuple[bytes, ...]
    keys: tuple[TakeOver, ...]


def verify_extension(given: Extension, trusted: VerifyKey) -> bool:
    """Return whether the later seal extends the earlier one, whose key is trusted; trusting nothing else."""
    key = trusted
    earlier, later = given.earlier, given.later
    if not verify_seal(earlier, key) or later.history is None or earlier.position >= later.position:
        return False
    for one in given.keys:
        at, signed = one.key.from_position, one.key.introduction
        if at is None or signed is None or not earlier.position < at <= later.position:
            return False
        message = introduction_message(one.key.key.raw, at, one.previous_head)
        if not key.verify(KEY_CONTEXT, message, signed):
            return False
        key = one.key.key
    found = walk(earlier.head, earlier.position - 1, later.position - 1, given.path)
    if found is None or not verify_seal(later, key):
        return False
    root, begun = found
    return root == later.history and earlier.history in {begun, None}
