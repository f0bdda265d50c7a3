"""Top-ups composed from the houses: the ledger books, access locks the rider and lifts a debt's denial."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import issue, link
from kernel.clock import Clock
from kernel.ids import FareAccountId
from ledger import notify
from ledger.notify import CREDITED, Applied
from ledger.rails.providers import UnknownProviderError
from ledger.topup import Merchant, expire_intents
from parking import pay
from service import logs
from service.database import Database
from service.jobs import pass_orders
from service.jobs.debts import settle_debts
from service.jobs.pass_orders import Shelves
from service.settings import Settings

_LIMIT: Final = 100


def merchant_of(settings: Settings) -> Merchant:
    """Return the bank account that riders pay to."""
    return Merchant(
        bin=settings.topup_bank_bin,
        account=settings.topup_account,
        name=settings.topup_account_name,
        also=frozenset(number for number in settings.topup_also_accounts.split(",") if number),
    )


def secret_of(settings: Settings, provider: str) -> bytes:
    """Return the key a provider signs with; UnknownProviderError where none is set: an empty key verifies nothing."""
    secret = {
        "payos": settings.provider_checksum_key,
        "casso": settings.casso_checksum_key,
        "sepay": settings.sepay_api_key,
    }.get(provider, "")
    if not secret:
        raise UnknownProviderError(provider=provider)
    return secret.encode()


def apply_stored(
    tx: Connection, stored: UUID, *, settings: Settings, now: datetime, shelf: Shelves
) -> Applied:
    """Give a stored notification's payment its home, and lift the rider's denial when the debt is paid off.

    A pass that was ordered with this payment is bought in the same transaction, once.
    """
    applied = notify.apply_notification(
        tx,
        stored,
        merchant=merchant_of(settings),
        now=now,
        # Locks the fare account and raises the version that the cache orders its writes by (DESIGN §8.15).
        lock_rider=_lock_rider,
        replay_window=timedelta(days=settings.notification_days),
    )
    if applied.outcome == CREDITED and applied.fare_account_id and applied.intent_id and applied.payment_id:
        assert applied.cleared is not None and applied.loaded is not None, "a credit has two parts"  # noqa: PT018
        pay.receive(
            tx,
            applied.fare_account_id,
            applied.intent_id,
            applied.cleared + applied.loaded,
            payment_id=applied.payment_id,
            now=now,
        )
        pass_orders.buy(tx, applied.fare_account_id, applied.intent_id, shelf=shelf, now=now)
    if applied.outcome == CREDITED and applied.fare_account_id:
        settle_debts(tx, (applied.fare_account_id,), cause=f"payment:{applied.payment_id}", now=now)
    return applied


def _lock_rider(tx: Connection, rider: FareAccountId) -> object:
    """Lock the rider and whatever the account counts to or is counted in, and raise their versions."""
    return issue.raise_versions(tx, link.lock_counted(tx, (rider,)).accounts | {rider})


def sweep(
    database: Database, *, settings: Settings, clock: Clock, shelf: Shelves, limit: int = _LIMIT
) -> tuple[Applied, ...]:
    """Apply what is stored and was never applied, oldest first, each in a transaction; return what each did.

    One that fails is logged and left for the next run; it does not stop the others.
    """
    with database.read() as tx:
        due = notify.list_due(tx, limit=limit)
    done = []
    for stored in due:

        def work(tx: Connection, one: UUID = stored) -> Applied:
            return apply_stored(tx, one, settings=settings, now=clock.now(), shelf=shelf)

        try:
            done.append(database.run(work))
        except Exception:  # noqa: BLE001  (the next payment must not wait for this one)
            logs.logger("service.topups").exception("notification.failed", notification_id=str(stored))
    return tuple(done)


def expire(database: Database, *, clock: Clock) -> int:
    """Write down which intents have expired; return how many."""
    return database.run(lambda tx: expire_intents(tx, clock.now()))
