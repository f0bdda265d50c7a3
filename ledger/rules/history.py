"""A Merkle tree over the chain of seals (RFC 9162 §2.1): how one seal shows in O(log n) that it extends another.

Each seal signs the root over the heads of all seals before it. So a head that somebody kept is a leaf of every later
seal's tree, and the tree that its own seal signed is the beginning of that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from ledger.rules.seal import EMPTY_ROOT, node


def leaf(head: bytes) -> bytes:
    """Return a seal's leaf: SHA-256 over a zero byte and its head."""
    return sha256(b"\x00" + head).digest()


class Frontier:
    """A tree that grows by a leaf at a time and knows its root, in O(log n) of memory."""

    def __init__(self, heads: Iterable[bytes] = ()) -> None:
        self._count = 0
        # Roots of the full subtrees, the largest first: one for each bit of the count.
        self._subtrees: list[bytes] = []
        for head in heads:
            self.append(head)

    def append(self, head: bytes) -> None:
        """Add the next seal's head."""
        root, rest = leaf(head), self._count
        while rest % 2:
            root, rest = node(self._subtrees.pop(), root), rest // 2
        self._subtrees.append(root)
        self._count += 1

    def root(self) -> bytes:
        """Return the root over all heads so far; SHA-256 of nothing for none."""
        if not self._subtrees:
            return EMPTY_ROOT
        *others, root = self._subtrees
        for subtree in reversed(others):
            root = node(subtree, root)
        return root


def walk(head: bytes, index: int, count: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the root over `count` heads that a path leads to from one, and the root over the heads before that one.

    What joins the path from the left is all that came before, in full subtrees; so one audit path (§2.1.3) proves the
    place of the head and that the tree begins as the head's own seal signed. None for a path of another length.
    """
    root, begun = leaf(head), EMPTY_ROOT
    left, last = list(path), count - 1
    while last > 0:
        if index % 2 or index < last:
            if not left:
                return None
            sibling = left.pop(0)
            if index % 2:
                root, begun = node(sibling, root), sibling if begun == EMPTY_ROOT else node(sibling, begun)
            else:
                root = node(root, sibling)
        index, last = index // 2, last // 2
    return None if left else (root, begun)
