"""Random tampering with any table of the books, by somebody whom no right and no trigger stops: all of it is found."""

import os
import random
from collections import Counter
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ledger.rules.row import COLUMNS

from .conftest import TODAY, Books, faults_within
from .test_prove import OTHER_VALUES, SIGNER, TABLES, a_closed_and_an_open_day

MUTATIONS: Final = 1_000 if os.environ.get("LIENTHONG_TEST_FAULTS") == "full" else 40
UUID: Final = "gen_random_uuid()"
MORE: Final = {"debits": "debits + 1", "credits": "credits + 7"}
FLIPPED: Final = "set_byte({0}, 5, 255 - get_byte({0}, 5))"

# Which rows, what names one in a fault, and to what each column is changed. Left out, because no truth hangs on it:
# `slot`, which only says whose connection added; sums are over all slots.
CHANGES: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    "sealed line": ("ledger_line WHERE book_day < :today", "entry_id", OTHER_VALUES),
    "open line": (
        # Not hashed yet: sums find it, so its accounts name it where the entry does not.
        "ledger_line WHERE book_day = :today",
        "concat_ws(' ', entry_id, debit_id, credit_id)",
        {
            name: OTHER_VALUES[name]
            for name in (
                "amount",
                "debit_id",
                "credit_id",
                "book_day",
                "service_day",
                "currency",
                "line_count",
            )
        },
    ),
    "roll-up": (
        "ledger_rollup WHERE true",
        "account_id",
        {
            "owner_id": UUID,
            "account_id": UUID,
            "book_day": "book_day + 1",
            "service_day": "service_day - 1",
            **MORE,
        },
    ),
    "balance": (
        "ledger_balance WHERE true",
        "account_id",
        {
            "owner_id": UUID,
            "account_id": UUID,
            "kind": "kind || 'x'",
            "currency": "'EUR'",
            "normal": "-normal",
            "open": "NOT open",
            "posted": "posted + 1",
            "pending": "pending + 1",
            "floor": "floor - 1",
        },
    ),
    "control sum": (
        "ledger_control WHERE true",
        "kind",
        {"kind": "kind || 'x'", "currency": "'EUR'", "book_day": "book_day + 9", **MORE},
    ),
    "closing": (
        "ledger_closing WHERE true",
        "account_id",
        {"owner_id": UUID, "account_id": UUID, "book_day": "book_day - 1", **MORE},
    ),
    "derived id": (
        "ledger_derived WHERE true",
        "entry_id",
        {"owner_id": UUID, "entry_id": UUID, "book_day": "book_day + 1"},
    ),
    "posted hold": (
        "ledger_hold WHERE state = 'posted'",
        "hold_id",
        {
            "owner_id": UUID,
            "debit_id": UUID,
            "credit_id": UUID,
            "currency": "'EUR'",
            "service_day": "service_day + 1",
            "kind": "kind || 'x'",
            "cause": "cause || 'x'",
            "narrative": "narrative || 'x'",
            "metadata": "metadata || 'x'",
            "ended_at": "ended_at + interval '1 s'",
            "posted_minor": "posted_minor - 1",
            "entry_id": UUID,
        },
    ),
    "seal": (
        "ledger_seal WHERE true",
        "book_day",
        {
            "position": "position + 5",
            "leaf_count": "leaf_count + 1",
            "root": FLIPPED.format("root"),
            "previous_head": FLIPPED.format("previous_head"),
            "head": FLIPPED.format("head"),
            "signature": FLIPPED.format("signature"),
            "sealed_at": "sealed_at + interval '1 us'",
        },
    ),
    "chunk": (
        "ledger_seal_chunk WHERE true",
        "book_day",
        {"chunk_no": "chunk_no + 1", "leaves": FLIPPED.format("leaves"), "root": FLIPPED.format("root")},
    ),
}
# What makes an inserted copy another row.
COPIES: Final = {
    "sealed line": {"entry_id": ":copy"},
    "open line": {"entry_id": ":copy"},
    "roll-up": {"slot": "(slot + 1) % 64"},
    "control sum": {"slot": "(slot + 1) % 64"},
    "closing": {"book_day": "book_day - 40"},
    "derived id": {"entry_id": ":copy"},
}
DELETED: Final = (
    "sealed line",
    "open line",
    "roll-up",
    "balance",
    "control sum",
    "closing",
    "derived id",
    "chunk",
)


@pytest.fixture
def books_of_the_owner(owner_tx: Connection) -> tuple[Books, Connection]:
    books = a_closed_and_an_open_day(owner_tx)
    for table in (*TABLES, "ledger_balance", "ledger_rollup", "ledger_control"):
        owner_tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    return books, owner_tx


def columns_of(owner: Connection, table: str) -> list[str]:
    rows = owner.execute(
        text("SELECT column_name FROM information_schema.columns WHERE table_name = :table"), {"table": table}
    )
    return list(rows.scalars())


def a_mutation(owner: Connection, chance: random.Random) -> tuple[str, str, str]:
    """Return (what, statement, the row's name) of a change to one random row."""
    what = chance.choice(list(CHANGES))
    rows, named_by, changes = CHANGES[what]
    table, _, _ = rows.partition(" WHERE ")
    found = owner.execute(
        text(
            f"SELECT tableoid::regclass::text AS part, ctid::text AS place, ({named_by})::text AS name FROM {rows}"
        ),
        {"today": TODAY} if ":today" in rows else {},
    ).all()
    part, place, name = chance.choice(sorted(found))
    this = f"ctid = '{place}'::tid"
    column = chance.choice(sorted(changes))
    update = (f"{what}: {column}", f"UPDATE {part} SET {column} = {changes[column]} WHERE {this}")
    ways = [update] * 3
    if what in DELETED:
        ways.append((f"{what}: deleted", f"DELETE FROM {part} WHERE {this}"))
    if what in COPIES:
        names = columns_of(owner, table)
        values = ", ".join(COPIES[what].get(each, each) for each in names)
        copy = f"INSERT INTO {part} ({', '.join(names)}) SELECT {values} FROM {part} WHERE {this}"
        ways.append((f"{what}: inserted", copy))
    told, statement = chance.choice(ways)
    return told, statement, name


@pytest.mark.faults
def test_prove_names_every_random_mutation(books_of_the_owner: tuple[Books, Connection]) -> None:
    """A slice of the thousand: `make faults` runs them all."""
    _, owner = books_of_the_owner
    assert not faults_within(owner, SIGNER.public)
    chance = random.Random(20261118)
    done: Counter[str] = Counter()
    missed: list[Any] = []
    while done.total() < MUTATIONS:
        what, statement, name = a_mutation(owner, chance)
        copy = str(uuid4())
        named = copy if ":copy" in statement else name
        step = owner.begin_nested()
        try:
            changed = owner.execute(text(statement.replace(":copy", f"'{copy}'"))).rowcount
        except DBAPIError:  # a constraint stood in the way: the schema is the first lock
            step.rollback()
            continue
        assert changed == 1, statement
        done[what] += 1
        faults = faults_within(owner, SIGNER.public)
        if not any(each in f"{fault.where} {fault.expected}" for fault in faults for each in named.split()):
            missed.append((statement, [str(fault) for fault in faults]))
        step.rollback()
    assert not missed, f"{len(missed)} of {done.total()}: {missed[:5]}"
    assert {what.partition(":")[0] for what in done} == set(CHANGES)
    assert not faults_within(owner, SIGNER.public)


def test_every_stored_column_of_a_line_is_among_the_mutations() -> None:
    assert set(CHANGES["sealed line"][2]) == set(COLUMNS)
