"""Notices to riders: found in what the houses have written, put into an outbox once, and handed over at least once.

Nothing on the tap path knows of this: a run reads what was written since the last one, and its ids are derived from
the facts, so that repeating it, or running it twice at once, makes no second notice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from access import link
from kernel.ids import FareAccountId, uuid8
from kernel.money import Money
from kernel.service_day import local_date
from ledger import mandate
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from parking.publish_rates import Rates
from service import logs
from service.couriers import Courier, UndeliveredError
from service.database import Database
from service.notice_texts import NoticeKind, texts
from service.store import notices as store
from service.store.notices import NoticeRow

_FIRST_LOOK: Final = timedelta(days=2)
_OVERLAP: Final = timedelta(hours=1)  # longer than any transaction: what committed late is still seen
_LONGEST_WAIT: Final = timedelta(hours=24)
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """When riders are told: below which balance, and how long before a pass, or what is paid for parking, ends."""

    low_balance: Money
    pass_days: int = 3
    parking_minutes: int = 15


def collect(tx: Connection, *, limits: Limits, now: datetime) -> dict[str, int]:
    """Put what has happened since the last run into the outbox; return how many notices of each kind are new."""
    made = {}
    finders: dict[NoticeKind, Callable[[datetime], Iterator[tuple[FareAccountId, UUID, dict[str, Any]]]]] = {
        NoticeKind.LATE_ADJUSTMENT: lambda since: _adjusted(tx, since, now),
        NoticeKind.DENIAL: lambda since: _denied(tx, since, now),
        NoticeKind.LOW_BALANCE: lambda since: _low(tx, since, now, limits.low_balance),
        NoticeKind.PASS_ENDING: lambda _since: _ending(tx, now, limits.pass_days),
        NoticeKind.PARKING_ENDING: lambda _since: _parking_ending(tx, now, limits.parking_minutes),
        NoticeKind.PARKING_PASS_ENDING: lambda _since: _parking_pass_ending(tx, now, limits.pass_days),
        NoticeKind.MANDATE_FAILED: lambda since: _uncollected(tx, since, now),
    }
    for kind, find in finders.items():
        seen = store.seen_to(tx, kind.value)
        since = (seen or now - _FIRST_LOOK) - _OVERLAP
        rows = [
            NoticeRow(account, notice_id, kind.value, facts, now) for account, notice_id, facts in find(since)
        ]
        made[kind.value] = store.insert(tx, rows)
        store.set_seen(tx, kind.value, now)
    return made


def deliver(
    database: Database, courier: Courier, *, now: Callable[[], datetime], limit: int = 10_000
) -> tuple[int, int]:
    """Hand over what is due and return how many notices were taken and how many put off."""
    taken = put_off = 0
    while taken + put_off < limit:
        done, failed = database.run(lambda tx: _deliver_some(tx, courier, now()))
        taken, put_off = taken + done, put_off + failed
        if not done:
            break
    return taken, put_off


def document(row: NoticeRow) -> dict[str, Any]:
    """Return a notice as it is handed over; the same id always means the same notice."""
    kind = NoticeKind(row.kind)
    return {
        "notice_id": str(row.notice_id),
        "fare_account_id": str(row.fare_account_id),
        "kind": kind.value,
        "made_at": row.made_at.isoformat(),
        "facts": row.facts,
        **texts(kind, row.facts),
    }


def list_notices(
    tx: Connection, account: FareAccountId, *, now: datetime, limit: int = 100
) -> tuple[NoticeRow, ...]:
    """Return the notices of an account and of those that count to it now, the newest first."""
    found = link.counting(tx, (account,))
    counted = {home for home in found.homes_of({account}) if found.account(home, now) == account}
    return store.list_of(tx, counted | {account}, limit=limit)


def _deliver_some(tx: Connection, courier: Courier, now: datetime) -> tuple[int, int]:
    done = failed = 0
    for row in store.lock_due(tx, now, _AT_ONCE):
        try:
            courier.deliver(document(row))
        except UndeliveredError as error:
            failed += 1
            store.put_off(tx, row, now + min(timedelta(minutes=2**row.tries), _LONGEST_WAIT))
            logs.logger("service.notices").warning(
                "notice.put_off", notice_id=str(row.notice_id), tries=row.tries + 1, why=str(error)
            )
        else:
            done += 1
            store.mark_sent(tx, row, now)
    return done, failed


Found = Iterator[tuple[FareAccountId, UUID, dict[str, Any]]]


def _adjusted(tx: Connection, since: datetime, now: datetime) -> Found:
    for row in store.list_adjusted(tx, local_date(since, ZONE), local_date(now, ZONE)):
        account, day = FareAccountId(row.fare_account_id), row.service_day.isoformat()
        facts = {"day": day, "minor": row.minor, "currency": row.currency}
        yield account, uuid8("notice", "late_adjustment", account, day, row.revision), facts


def _denied(tx: Connection, since: datetime, now: datetime) -> Found:
    for row in store.list_denied(tx, since, now):
        account = FareAccountId(row.fare_account_id)
        notice_id = uuid8("notice", "denial", account, row.serial, row.reason, row.at.isoformat())
        yield account, notice_id, {"card": row.serial, "reason": row.reason}


def _uncollected(tx: Connection, since: datetime, now: datetime) -> Found:
    for account, intent_id, facts in mandate.list_failed(tx, since, now):
        yield account, uuid8("notice", "mandate_failed", intent_id), dict(facts)


def _low(tx: Connection, since: datetime, now: datetime, low: Money) -> Found:
    today = local_date(now, ZONE)
    accounts = store.list_charged(tx, local_date(since, ZONE), today)
    for first in range(0, len(accounts), 1_000):
        some = accounts[first : first + 1_000]
        specs = {account: chart.rider_stored_value(account, low.currency) for account in some}
        open_accounts(tx, tuple(specs.values()), now)
        found = read_balances(tx, [spec.account_id for spec in specs.values()], now)
        for account, spec in specs.items():
            left = found[spec.account_id].posted
            if left < low:
                facts = {"minor": left.minor, "currency": left.currency.code}
                yield account, uuid8("notice", "low_balance", account, today), facts


def _ending(tx: Connection, now: datetime, days: int) -> Found:
    for row in store.list_ending(tx, now, now + timedelta(days=days)):
        account = FareAccountId(row.fare_account_id)
        until = _until(row.valid_until)
        facts = {"product": row.product_id, "scope": row.scope, "until": until}
        yield account, uuid8("notice", "pass_ending", account, row.pass_id), facts


def _parking_ending(tx: Connection, now: datetime, minutes: int) -> Found:
    """Yield running stays whose paid time ends soon; one that is extended ends anew, and is told of again."""
    book = Rates(tx).at(now)
    for row in store.list_parking_ending(tx, now, now + timedelta(minutes=minutes)):
        account, place = FareAccountId(row.fare_account_id), book.places.get(row.place_id) if book else None
        facts = {"place": place.name if place else row.place_id, "until": _until(row.paid_until)}
        yield account, uuid8("notice", "parking_ending", row.stay_id, row.paid_until.isoformat()), facts


def _parking_pass_ending(tx: Connection, now: datetime, days: int) -> Found:
    """Yield parking passes of accounts that end soon with none of the same product to follow."""
    rates = Rates(tx)
    for row in store.list_parking_passes_ending(tx, now, now + timedelta(days=days)):
        account = FareAccountId(row.fare_account_id)
        spec = rates.version(row.rates_version).right(row.spec_id, local_date(row.assigned_at, ZONE))
        facts = {"product": spec.name if spec else row.spec_id, "until": _until(row.valid_to)}
        yield account, uuid8("notice", "parking_pass_ending", account, row.right_id), facts


def _until(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%H:%M %d/%m/%Y")
