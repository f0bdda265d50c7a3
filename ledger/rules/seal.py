"""Seals: a Merkle tree over a closed day's lines (RFC 9162 §2.1), its head chained to the day before and signed."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from itertools import pairwise
from typing import Final
from uuid import UUID

from kernel.crypto.ed25519 import SigningKey, VerifyKey
from ledger.rules.row import Row, era_days, era_micros, leaf_hash

CONTEXT: Final = b"lienthong/ledger-head/2"
# Seals from before the tree over the chain.
CONTEXT_1: Final = b"lienthong/ledger-head/1"
# A power of two: each full chunk is then a whole subtree of the day's tree, and its root a node of it.
CHUNK: Final = 1_024
KEY_SIZE: Final = 34
LEAF_SIZE: Final = KEY_SIZE + 32
EMPTY_ROOT: Final = sha256(b"").digest()
GENESIS: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Seal:
    """A closed book day: how many lines it has, their root, and the signed head that chains it to the one before.

    `history` is the root over the heads of all seals before it; None for a seal from before it was signed.
    """

    book_day: date
    position: int
    leaf_count: int
    root: bytes
    previous_head: bytes
    head: bytes
    key_id: bytes
    signature: bytes
    sealed_at: datetime
    history: bytes | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Up to 1,024 consecutive leaves: 34 bytes of key (owner, entry, line number) and 32 of hash each."""

    number: int
    leaves: bytes
    root: bytes


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees: SHA-256 over a one byte and both (RFC 9162 §2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes or equal-sized subtree roots; SHA-256 of nothing for none.

    Pairing level by level, an odd one carried up, gives the tree of RFC 9162 §2.1.1.
    """
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        pairs = iter(level)
        # `node`, written out: a proof of a million lines makes a million.
        paired = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def path_of(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf `index` (RFC 9162 §2.1.3.1), from the leaf upwards."""
    path: list[bytes] = []
    level = list(hashes)
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        paired = [node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level, index = paired, index // 2
    return path


def root_from_path(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a leaf and its path lead to; None when the path has the wrong length."""
    if not 0 <= index < count:
        return None
    root, left = leaf, list(path)
    last = count - 1
    while last > 0:
        if index % 2 or index < last:
            if not left:
                return None
            sibling = left.pop(0)
            root = node(sibling, root) if index % 2 else node(root, sibling)
        index, last = index // 2, last // 2
    return None if left else root


def message_of(seal: Seal) -> bytes:
    """Return what a seal signs, after its context.

    Position, book day (days since 2000-01-01), count of leaves, instant of sealing (microseconds since
    2000-01-01 UTC), root, previous head, history.
    """
    day, at = era_days(seal.book_day), era_micros(seal.sealed_at)
    fixed = struct.pack(">IiQq", seal.position, day, seal.leaf_count, at)
    return fixed + seal.root + seal.previous_head + (seal.history or b"")


def signed_by(seal: Seal, key: VerifyKey) -> bool:
    """Return whether a key signed what the seal says."""
    return key.verify(CONTEXT_1 if seal.history is None else CONTEXT, message_of(seal), seal.signature)


def sign(seal: Seal, signer: SigningKey) -> Seal:
    """Return a seal with its head, its key's name and its signature."""
    message = message_of(seal)
    return replace(
        seal,
        head=head_hash(message),
        key_id=signer.public.key_id,
        signature=signer.sign(CONTEXT, message),
    )


def head_hash(message: bytes) -> bytes:
    """Return the head: SHA-256 of the signed message."""
    return sha256(message).digest()


def chunk_of(number: int, piece: bytes) -> Chunk:
    """Return a day's chunk of this number from its 1,024 leaves (key and hash; the last chunk has fewer).

    Pieces follow each other in key order; within one the order is made here, so that no plan of the server's decides it.
    """
    leaves = sorted(split_leaves(piece))
    return Chunk(number, b"".join(leaves), root_of([leaf[KEY_SIZE:] for leaf in leaves]))


def split_leaves(leaves: bytes) -> list[bytes]:
    """Return the single leaves of a chunk."""
    return [leaves[at : at + LEAF_SIZE] for at in range(0, len(leaves), LEAF_SIZE)]


def leaf_hashes(leaves: bytes) -> list[bytes]:
    """Return the hashes of a chunk's leaves, without their keys."""
    return [leaves[at : at + 32] for at in range(KEY_SIZE, len(leaves), LEAF_SIZE)]


def key_text(key: bytes) -> str:
    """Return a leaf's key for people: owner/entry/line."""
    return f"{UUID(bytes=key[:16])}/{UUID(bytes=key[16:32])}/{int.from_bytes(key[32:34], 'big')}"


@dataclass(frozen=True, slots=True)
class Inclusion:
    """What convinces a stranger that a line stands in a sealed day: its leaf's place and path, and the seal."""

    row: Row
    index: int
    path: tuple[bytes, ...]
    seal: Seal


def verify_seal(seal: Seal, key: VerifyKey) -> bool:
    """Return whether a seal's head and signature hold under a public key."""
    return key.key_id == seal.key_id and head_hash(message_of(seal)) == seal.head and signed_by(seal, key)


def verify_inclusion(proof: Inclusion, key: VerifyKey) -> bool:
    """Return whether a line stands in its sealed day, trusting nothing but the public key."""
    leaf = leaf_hash(proof.row)
    root = root_from_path(leaf, proof.index, proof.seal.leaf_count, proof.path)
    return root == proof.seal.root and verify_seal(proof.seal, key)


def verify_chain(seals: Sequence[Seal], keys: Sequence[VerifyKey]) -> bool:
    """Return whether consecutive seals extend each other: consistency between the first and the last."""
    known = {key.key_id: key for key in keys}
    for earlier, later in pairwise(seals):
        chained = later.previous_head == earlier.head and later.position == earlier.position + 1
        if not chained or later.book_day <= earlier.book_day:
            return False
    return all(seal.key_id in known and verify_seal(seal, known[seal.key_id]) for seal in seals)
