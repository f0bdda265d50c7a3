"""Reconciliation composed: files in from a folder, then match, queue and book, each step committed by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from ledger import reconcile as verbs
from ledger.reconcile import StepWork, Tell
from ledger.rules.reconcile import Figures
from ledger.take_bank_file import Delivery, Taken, take_in
from service import audit
from service.audit import Actor
from service.database import Database
from service.settings import Settings


def accounts_of(settings: Settings) -> frozenset[str]:
    """Return the bank accounts whose statements are ours."""
    also = settings.topup_also_accounts.split(",")
    return frozenset(number for number in (settings.topup_account, *also) if number)


def take(
    database: Database,
    stream: BinaryIO,
    *,
    name: str,
    source: str,
    provider: str,
    settings: Settings,
    by: Actor,
    now: datetime,
    request_id: str = "",
) -> Taken:
    """Take one file in, with an audit line the first time."""
    delivery = Delivery(
        name=name,
        source=source,
        received_by=by.actor_id,
        provider=provider or settings.topup_provider,
        accounts=accounts_of(settings),
        max_bytes=settings.bank_file_max_bytes,
    )

    def work(tx: Connection) -> Taken:
        stream.seek(0)
        taken = take_in(tx, stream, delivery, now)
        if not taken.repeated:
            audit.record(
                tx,
                actor=by,
                action="ledger.take_bank_file",
                subject_kind="bank_file",
                subject_id=str(taken.file.file_id),
                now=now,
                request_id=request_id,
                detail={"status": taken.file.status, "reason": taken.file.reason, "source": source},
            )
        return taken

    return database.run(work)


def take_folder(
    database: Database, folder: Path, *, provider: str, settings: Settings, by: Actor, now: datetime
) -> Iterator[tuple[Path, Taken]]:
    """Take every file of a folder in, by name, each in a transaction; files stay where they are.

    Running it again takes only what is new, since a file is known by its content. Names that begin with a dot
    or end in .part are still being written.
    """
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".part":
            with path.open("rb") as stream:
                yield (
                    path,
                    take(
                        database,
                        stream,
                        name=path.name,
                        source="folder",
                        provider=provider,
                        settings=settings,
                        by=by,
                        now=now,
                    ),
                )


def reconcile(database: Database, *, now: Callable[[], datetime], tell: Tell) -> None:
    """Run every part, each committed by itself; `tell` hears what was done as it is done."""
    for work in verbs.steps():

        def run(tx: Connection, work: StepWork = work) -> None:
            work(tx, now(), tell)

        database.run(run)


def figures(database: Database) -> Figures:
    """Return where reconciliation stands."""
    return database.run(verbs.read_figures)
