"""Which rights help which stays: by account, by plate or ticket, by the one stay, and while a pool has room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from kernel.service_day import local_date
from parking.carry import list_carried
from parking.park_ride import list_earned
from parking.publish_rates import Rates
from parking.rules.pool import PoolStay, covered_stays
from parking.rules.right import AssignedRight, RightKind
from parking.rules.session import State
from parking.rules.stay import Stay
from parking.store import rights as store
from parking.store.rights import Pool, RightRow

# A pool's stay is judged by who was in when it entered: by stays that entered up to this long before.
POOL_REACH: Final = timedelta(days=30)


def list_held(
    tx: Connection, stays: Iterable[tuple[FareAccountId, Stay]], rates: Rates
) -> Mapping[UUID, tuple[AssignedRight, ...]]:
    """Return, by stay, the rights that may help it; stays that nothing helps are absent."""
    wanted = tuple(stays)
    rows = store.list_rights(
        tx,
        accounts={account for account, _ in wanted},
        subjects={stay.subject for _, stay in wanted},
        stays={stay.stay_id for _, stay in wanted},
    )
    found: dict[UUID, list[AssignedRight]] = {}
    for stay_id, rights in list_earned(tx, wanted, rates).items():
        found[stay_id] = list(rights)
    for stay_id, rights in list_carried(tx, (stay for _, stay in wanted), rates).items():
        found.setdefault(stay_id, []).extend(rights)
    pools: dict[UUID, frozenset[UUID]] = {}
    for row, ended_at in rows:
        right = _assigned(row, ended_at, rates)
        if right is None:
            continue
        if row.pool_id is not None and row.pool_id not in pools:
            members = {each.fare_account_id for each, _ in rows if each.pool_id == row.pool_id}
            mine = [stay for account, stay in wanted if account in members]
            pools[row.pool_id] = _covered(tx, row.pool_id, mine, rates)
        once = right.spec.kind is RightKind.EVENT
        used = _first_use(tx, row, right, wanted, rates) if once else None
        for account, stay in wanted:
            if not _belongs(row, account, stay):
                continue
            if row.pool_id is not None and stay.stay_id not in pools[row.pool_id]:
                continue
            if once and stay.stay_id != used:
                continue
            found.setdefault(stay.stay_id, []).append(right)
    return {stay_id: tuple(rights) for stay_id, rights in found.items()}


def list_uneven(tx: Connection, rates: Rates, *, now: datetime) -> tuple[tuple[FareAccountId, datetime], ...]:
    """Return (account, instant) of pool members' stays whose bill is not what the pool says by now.

    An event that came late may give a space to one stay and take it from another: billing these again makes it even.
    """
    found: list[tuple[FareAccountId, datetime]] = []
    for pool in store.list_pools(tx):
        members = store.list_pool_stays(tx, pool.pool_id, _places(rates, pool, now), since=now - POOL_REACH)
        covered = covered_stays((each.stay for each in members), pool.spaces)
        found += [
            (each.fare_account_id, each.stay.entered_at)
            for each in members
            if each.priced and (each.stay.stay_id in covered) != bool(each.covered_minor)
        ]
    return tuple(found)


def _first_use(
    tx: Connection,
    row: RightRow,
    right: AssignedRight,
    wanted: Iterable[tuple[FareAccountId, Stay]],
    rates: Rates,
) -> UUID | None:
    """Return the one stay that an event ticket is for: the first of its holder's while it held, where it holds.

    `wanted` are the stays as they are folded now; others are as they stand.
    """
    spec, book = right.spec, rates.version(row.rates_version)
    stood = store.list_uses(tx, row, since=right.valid_from, until=right.valid_to)
    uses = {each[0]: each[1:] for each in stood}
    for account, stay in wanted:
        if not _belongs(row, account, stay):
            continue
        uses.pop(stay.stay_id, None)
        came, went = stay.entered_at, stay.left_at
        if stay.state is State.VOIDED or came is None or came >= right.valid_to:
            continue
        if went is None or went > right.valid_from:
            uses[stay.stay_id] = (stay.place_id, stay.vehicle_class, came)
    fit = [
        (came, stay_id.bytes, stay_id)
        for stay_id, (place_id, vehicle_class, came) in uses.items()
        if book.is_within(place_id, spec.place_id) and spec.vehicle_class in {"", vehicle_class}
    ]
    return min(fit)[2] if fit else None


def _belongs(row: RightRow, account: FareAccountId, stay: Stay) -> bool:
    if row.stay_id is not None:
        return row.stay_id == stay.stay_id
    if row.subject is not None:
        return row.subject == stay.subject
    return row.fare_account_id == account


def _assigned(row: RightRow, ended_at: datetime | None, rates: Rates) -> AssignedRight | None:
    """Return a right with its product as it was sold; None for one that ended before it began."""
    valid_to = row.valid_to if ended_at is None else min(row.valid_to, ended_at)
    if valid_to <= row.valid_from:
        return None
    book = rates.version(row.rates_version)
    spec = book.right(row.spec_id, local_date(row.assigned_at, book.place(row.place_id).zone))
    assert spec is not None, "it was on sale when it was assigned"
    return AssignedRight(
        right_id=row.right_id,
        spec=spec,
        valid_from=row.valid_from,
        valid_to=valid_to,
        assigned_at=row.assigned_at,
        stay_id=row.stay_id,
    )


def _covered(tx: Connection, pool_id: UUID, billed: Iterable[Stay], rates: Rates) -> frozenset[UUID]:
    """Return what a pool covers of stays as stored, its members' stays that are being billed as they stand now."""
    current = {stay.stay_id: stay for stay in billed}
    entered = [stay.entered_at for stay in current.values() if stay.entered_at is not None]
    if not entered:
        return frozenset()
    (pool,) = store.list_pools(tx, [pool_id])
    places = _places(rates, pool, max(entered))
    members = store.list_pool_stays(tx, pool_id, places, since=min(entered) - POOL_REACH)
    stays = {each.stay.stay_id: each.stay for each in members if each.stay.stay_id not in current}
    for stay in current.values():
        if stay.entered_at is not None and stay.state is not State.VOIDED and stay.place_id in places:
            stays[stay.stay_id] = PoolStay(stay.stay_id, stay.entered_at, stay.left_at)
    return covered_stays(stays.values(), pool.spaces)


def _places(rates: Rates, pool: Pool, at: datetime) -> list[str]:
    book = rates.at(at)
    assert book is not None, "a pool's place was published"
    return [place_id for place_id in book.places if book.is_within(place_id, pool.place_id)]
