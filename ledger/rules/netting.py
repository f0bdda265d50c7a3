"""Clearing: what everybody owes or is owed, paid in the fewest payments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kernel.errors import DomainError

# Fewest payments is a search over subsets: 2^n steps. Beyond so many, whoever cancels out in pairs pays in pairs, and
# the rest in at most one payment less than they are.
EXACT: Final = 14


class UnbalancedPositionsError(DomainError):
    """What is owed and what is due do not sum to nothing."""

    detail = "The positions sum to {sum}, not to nothing: nobody could pay them."


@dataclass(frozen=True, slots=True, order=True)
class Transfer:
    """One payment, in minor units, always more than nothing."""

    payer: str
    payee: str
    minor: int


def net(positions: Mapping[str, int]) -> tuple[Transfer, ...]:
    """Return payments that bring everybody's position to nothing: due (above zero) or owed (below).

    At most one less than there are positions that are not nothing; for up to EXACT of them there is no set of
    fewer. Nobody both pays and is paid. The same positions give the same payments. UnbalancedPositionsError.
    """
    open_ = {name: minor for name, minor in sorted(positions.items()) if minor}
    if sum(open_.values()):
        raise UnbalancedPositionsError(sum=sum(open_.values()))
    made: list[Transfer] = []
    if len(open_) > EXACT:
        made += _pairs(open_)
    groups = _most_groups(open_) if len(open_) <= EXACT else [tuple(open_)]
    for group in groups:
        made += _within({name: open_[name] for name in group})
    return tuple(sorted(made))


def _pairs(open_: dict[str, int]) -> list[Transfer]:
    """Take out, in place, who cancels out exactly with one other."""
    made = []
    payers: dict[int, list[str]] = {}
    for name, minor in open_.items():
        if minor < 0:
            payers.setdefault(-minor, []).append(name)
    for name, minor in tuple(open_.items()):
        if minor > 0 and payers.get(minor):
            payer = payers[minor].pop(0)
            made.append(Transfer(payer, name, minor))
            del open_[name], open_[payer]
    return made


def _most_groups(open_: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Return the positions split into as many groups as possible that each sum to nothing.

    A group of k takes k - 1 payments, so most groups means fewest payments. `best[mask]` is the most groups that
    the members of a mask hold, their sums closing one after the other as members are added.
    """
    names, values = tuple(open_), tuple(open_.values())
    size = 1 << len(names)
    sums, best, last = [0] * size, [0] * size, [0] * size
    for mask in range(1, size):
        low = mask & -mask
        sums[mask] = sums[mask ^ low] + values[low.bit_length() - 1]
        most = -1
        rest = mask
        while rest:
            bit = rest & -rest
            rest ^= bit
            if best[mask ^ bit] > most:
                most, last[mask] = best[mask ^ bit], bit
        best[mask] = most + (sums[mask] == 0)
    groups: list[tuple[str, ...]] = []
    mask, members = size - 1, list[str]()
    while mask:
        if sums[mask] == 0 and members:
            groups.append(tuple(sorted(members)))
            members = []
        members.append(names[last[mask].bit_length() - 1])
        mask ^= last[mask]
    if members:
        groups.append(tuple(sorted(members)))
    return groups


def _within(group: Mapping[str, int]) -> list[Transfer]:
    """Return payments inside a group: whoever owes pays on until nothing is left, the next one goes on from there."""
    due = [[name, minor] for name, minor in group.items() if minor > 0]
    made = []
    for payer, minor in ((name, -minor) for name, minor in group.items() if minor < 0):
        left = minor
        while left:
            payee, wanted = due[0]
            assert isinstance(payee, str)
            assert isinstance(wanted, int)
            part = min(left, wanted)
            made.append(Transfer(payer, payee, part))
            left -= part
            due[0][1] = wanted - part
            if part == wanted:
                due.pop(0)
    return made
