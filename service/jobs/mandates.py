"""Charge mandates: find whose balance is low, make one top-up each, and ask their provider to pay it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from access import issue
from kernel.clock import Clock
from kernel.ids import FareAccountId
from ledger import mandate as verbs
from ledger import topup
from ledger.rules.intent import Intent
from ledger.rules.mandate import Charge
from service import logs
from service.couriers import Courier, UndeliveredError
from service.database import Database
from service.jobs.topups import merchant_of
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Charged:
    """What a run did: charges made, handed over, and put off because the provider did not take them."""

    made: int
    handed: int
    put_off: int


def run(database: Database, courier: Courier, *, settings: Settings, clock: Clock) -> Charged:
    """Charge what is due. A kill between making a charge and handing it over leaves it for the next run.

    At least once: a charge may be handed over again, always with the same id, amount and reference.
    """
    with database.read() as tx:
        active = verbs.list_active(tx)
    made = sum(_make(database, rider, one, settings, clock) is not None for rider, one in active)
    handed = put_off = 0
    with database.read() as tx:
        waiting = verbs.list_unhanded(tx)
    for charge in waiting:
        try:
            _hand(database, courier, charge, clock)
        except UndeliveredError as failed:
            put_off += 1
            logs.logger("service.mandates").warning(
                "mandate.put_off", charge_id=str(charge.intent_id), why=str(failed)
            )
        else:
            handed += 1
    return Charged(made, handed, put_off)


def _make(
    database: Database, rider: FareAccountId, mandate_id: UUID, settings: Settings, clock: Clock
) -> Intent | None:
    def work(tx: Connection) -> Intent | None:
        issue.lock_accounts(tx, (rider,))
        return verbs.charge(
            tx,
            rider,
            mandate_id,
            merchant=merchant_of(settings),
            lifetime=timedelta(minutes=settings.topup_minutes),
            now=clock.now(),
        )

    return database.run(work)


def _hand(database: Database, courier: Courier, charge: Charge, clock: Clock) -> None:
    with database.read() as tx:
        intent = topup.get_intent(tx, charge.intent_id)
    courier.deliver(document(charge, intent))
    database.run(lambda tx: verbs.set_handed(tx, charge, clock.now()))


def document(charge: Charge, intent: Intent) -> dict[str, Any]:
    """Return what a provider is asked to pay: to the account in the QR, under this reference, before it ends."""
    return {
        "charge_id": str(charge.intent_id),
        "mandate_id": str(charge.mandate.mandate_id),
        "token": charge.mandate.token,
        "amount": intent.amount.to_json(),
        "reference": intent.reference,
        "order_code": intent.order_code,
        "qr": intent.qr,
        "expires_at": intent.expires_at.isoformat(),
    }
