"""Keep what riders owe within its limit: report the exposure, and tighten or relax what an offline tap needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from access import deny, issue, link
from access.deny import DenyReason
from fare.rules.risk import Exposure, RiskLimits, RiskMode, may_tap, next_mode
from kernel.clock import Clock
from kernel.ids import FareAccountId
from kernel.money import VND, Money
from ledger.accounts import read_balances
from ledger.exposure import list_below, total_owed
from ledger.rules import chart
from ledger.rules.errors import UnknownAccountError
from service.database import Database
from service.settings import Settings

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class RiskStep:
    """What one step did: cards denied and cleared, and the exposure it was judged by."""

    exposure: Exposure
    denied: int = 0
    cleared: int = 0


def limits_of(settings: Settings) -> RiskLimits:
    """Return what was decided; a limit of 0 means that nobody has."""
    total = Money(settings.risk_total_limit, VND) if settings.risk_total_limit else None
    return RiskLimits(total, Money(settings.risk_cover, VND))


def read_exposure(tx: Connection, limits: RiskLimits) -> Exposure:
    """Return what is owed in all now, with the mode that follows."""
    owed = total_owed(tx)
    held = RiskMode.TIGHT if deny.count_denied(tx).get(DenyReason.RISK) else RiskMode.OPEN
    return Exposure(owed, limits, next_mode(owed, limits, held))


def run_risk(database: Database, settings: Settings, clock: Clock) -> Iterator[RiskStep]:
    """Yield what each portion did, committed one by one; may be killed and repeated.

    First whoever was denied for debt or for risk and has no reason to be any more is cleared; in the tight mode
    whoever could not pay the dearest ride is then denied.
    """
    limits = limits_of(settings)
    with database.read() as tx:
        exposure = read_exposure(tx, limits)
        listed = {reason: deny.list_serials(tx, reason) for reason in (DenyReason.DEBT, DenyReason.RISK)}
    for reason, serials in listed.items():
        for first in range(0, len(serials), _PAGE):
            page = serials[first : first + _PAGE]
            cleared = database.run(
                partial(_clear, serials=page, reason=reason, exposure=exposure, clock=clock)
            )
            yield RiskStep(exposure, cleared=cleared)
    after: FareAccountId | None = None
    while exposure.mode is RiskMode.TIGHT:
        with database.read() as tx:
            poor = list_below(tx, limits.cover, after=after, limit=_PAGE)
        if not poor:
            break
        after = poor[-1]
        yield RiskStep(exposure, denied=database.run(partial(_deny, accounts=poor, clock=clock)))
    yield RiskStep(exposure)


def _deny(tx: Connection, accounts: tuple[FareAccountId, ...], clock: Clock) -> int:
    now = clock.now()
    issue.raise_versions(tx, accounts)
    return deny.deny_accounts(tx, accounts, reason=DenyReason.RISK, cause="exposure", now=now)


def _clear(
    tx: Connection, serials: tuple[int, ...], reason: DenyReason, exposure: Exposure, clock: Clock
) -> int:
    now = clock.now()
    cards = [issue.get_card(tx, serial=serial) for serial in serials]
    homes = {FareAccountId(card.fare_account_id) for card in cards}
    counting = link.lock_counted(tx, homes)
    heads = {home: counting.account(home, now) for home in homes}
    issue.raise_versions(tx, homes | set(heads.values()))
    good = []
    for card in cards:
        home = FareAccountId(card.fare_account_id)
        stored, owed = _purse(tx, heads[home], clock)
        own = owed if home == heads[home] else owed + _purse(tx, home, clock)[1]
        fits = not own if reason is DenyReason.DEBT else may_tap(stored, exposure.limits, exposure.mode)
        if fits:
            good.append(card.serial)
    return deny.clear(tx, good, reason=reason, cause="no reason left", now=now)


def _purse(tx: Connection, account: FareAccountId, clock: Clock) -> tuple[Money, Money]:
    found = []
    for spec in (chart.rider_stored_value(account), chart.rider_receivable(account)):
        try:
            balance = read_balances(tx, (spec.account_id,), clock.now())[spec.account_id]
        except UnknownAccountError:
            found.append(Money.zero(VND))
        else:
            found.append(balance.available if spec.guarded else balance.posted)
    return found[0], found[1]
