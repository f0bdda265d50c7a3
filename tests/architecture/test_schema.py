"""The schema rules of DESIGN §7, read from a migrated database: what outgrowing one machine will ask."""

import subprocess
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from service.migrate import configuration, expected_revision

ROOT = Path(__file__).parents[2]

# The fare account's id leads these tables' keys and stands in every UNIQUE; evidence: the card's; ledger: the owner's.
LEADING = ("fare_account_id", "card_id", "owner_id")
# Local tables stay on the coordinator of a distributed database: why each may.
LOCAL = {
    "alembic_version": "Alembic's own, one row",
    "staff_user": "a few hundred people",
    "staff_role": "a few hundred people",
    "api_credential": "a few machines",
    "audit_trail": "changes by people, not by riders",
    "device": "one row a validator",
    "device_key": "one row a validator's key",
    "device_event": "a validator's life",
    "device_code": "one-time codes",
    "device_heartbeat": "one row a validator, its latest word",
    "device_head": "one row a journal, locked per upload",
    "device_unchained": "records that wait for the ones before them",
    "deny_change": "a queue that becomes the deny list",
    "review_case": "queue for people",
    "case_evidence": "queue for people",
    "exception_queue": "queue for people",
    "tap_aside": "evidence without a known card, found by its device and place in the journal",
    "card": "reference table: looked up by hashed UID and by serial, so both are unique over all cards",
    "account_identity": "reference table: one account a citizen, found by the citizen's keyed hash",
    "action_list_version": "published versions of one list",
    "fare_tariff": "published tariffs",
    "fare_pass_earned": "one row a pass product and book day",
    "fare_pass_earned_part": "a few rows a pass product and book day",
    "rider_sign_in": "found by its token before any account is known",
    "rider_notice_mark": "one row a kind of notice",
    "ledger_goodwill": "one row a batch that two people signed",
    "ledger_goodwill_step": "a few rows a batch that two people signed",
    "legacy_import": "one row an imported file",
    "fare_rerun": "announced reruns, a few a year",
    "fare_rerun_event": "announced reruns, a few a year",
    "parking_rates": "published rates",
    "parking_rate_proposal": "changes of published rates",
    "parking_rate_proposal_end": "what became of them",
    "parking_pool": "a few companies",
    "parking_plate_event": "evidence of cameras, found by place before any account is known",
    "parking_plate_join": "which session a camera's reading belongs to",
    "parking_plate_rejoin": "which session it belongs to since a gate told of it late",
    "parking_observation": "evidence by officers, found by place and day",
    "parking_shift": "a few rows a place and day",
    "parking_shift_event": "a few rows a shift",
    "parking_ticket": "paper tickets, unique over all places",
    "parking_ticket_end": "paper tickets, unique over all places",
    "parking_count": "a few rows a place and day",
    "parking_quote": "found by their id before any account is known",
    "parking_webhook": "a few rows an operator",
    "parking_stay_change": "an outbox's own: gone once every webhook has looked",
    "parking_webhook_event": "outbox",
    "ledger_topup_intent": "queue of the payment rails; found by reference before any account is known",
    "ledger_notification": "evidence of the payment rails, one row a message",
    "ledger_notification_outcome": "queue of the payment rails",
    "ledger_notification_due": "outbox of the payment rails",
    "ledger_payment": "one row a bank transfer, unique over all providers",
    "ledger_suspense": "queue for people",
    "ledger_suspense_proposal": "queue for people",
    "ledger_suspense_end": "queue for people",
    "ledger_till": "some hundred tills",
    "ledger_operator_till": "some hundred tills",
    "ledger_till_shift": "a few shifts a till and day",
    "ledger_till_event": "what happened in those shifts",
    "ledger_pay_back": "orders that people signed; found by the payment or the file they are in",
    "ledger_pay_back_batch": "a few payment files a day",
    "ledger_pay_back_step": "orders that people signed",
    "ledger_bank_file": "a few files a day",
    "ledger_bank_statement": "a few statements a day",
    "ledger_recon_item": "movements of the bank's and the providers' files, as many as top-ups",
    "ledger_recon_edge": "matches of those movements",
    "ledger_recon_hand": "matches by people",
    "ledger_recon_arrival": "what no reconciliation has looked at",
    "ledger_recon_untold": "payments on their way to reconciliation",
    "ledger_recon_open": "movements that no match holds",
    "ledger_recon_due": "statements to be booked",
    "ledger_recon_pool": "a few providers",
    "ledger_recon_total": "one row a currency",
    "ledger_recon_tolerance": "one row a currency",
    "ledger_recon_exception": "queue for people",
    "ledger_recon_exception_end": "queue for people",
    "ledger_recon_proposal": "queue for people",
    "ledger_recon_booking": "a few rows a statement",
    "ledger_invoice_series": "a few series an operator and year",
    "ledger_invoice": "one row an invoice, found by its operator's series; numbers are given by one counter",
    "ledger_invoice_event": "a few rows an invoice",
    "ledger_settlement_day": "one row a book day",
    "ledger_settlement": "one row an operator and book day",
    "ledger_payout": "one row a paid book day",
    "ledger_subsidy": "statements to funders: a few a month",
    "ledger_subsidy_claim": "claims of statements: some a day, made and ended one at a time",
    "ledger_subsidy_step": "steps of statements",
    "ledger_payout_subsidy": "what payouts pass on of funders' money: one an operator",
    "ledger_payout_payment": "a few rows a paid book day",
    "ledger_payout_step": "a few rows a paid book day",
    "ledger_payout_file": "one row a paid book day",
    "ledger_settlement_claim": "a few rows an operator and book day",
    "ledger_settlement_step": "a few rows a book day",
    "ledger_operator_terms": "a few versions an operator",
    "ledger_operator_terms_end": "a few versions an operator",
    "fare_pass_earned_route": "a few rows a pass product and book day",
    "ledger_settlement_line": "a few rows an operator and book day",
    "ledger_control": "sums by account kind, one row a slot",
    "ledger_seal": "one row a book day",
    "ledger_seal_key": "a few keys",
    "ledger_proof": "one row a proof",
    "ledger_seal_chunk": "leaf hashes of sealed days",
}
# Inserted, never changed (CONVENTIONS): evidence, entries, bills, the trail.
APPEND_ONLY = (
    "audit_trail",
    "tap",
    "tap_claim",
    "tap_torn",
    "tap_prior",
    "tap_held",
    "ledger_line",
    "ledger_seal",
    "fare_bill",
    "fare_bill_line",
)

# Rules about taste, or about rows that a new table does not have yet.
HARMLESS = (
    "prefer-robust-stmts",  # each migration is one transaction
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "ban-char-field",
    "prefer-text-field",
    "require-timeout-settings",  # env.py sets them
)


@pytest.fixture
def tables(owner_tx):
    """Table name -> ordered key columns, for ordinary and partitioned tables, partitions left out."""
    rows = owner_tx.execute(
        text(
            "SELECT c.relname, c.relkind, (SELECT array_agg(a.attname ORDER BY k.n)"
            " FROM pg_constraint p, unnest(p.conkey) WITH ORDINALITY AS k (num, n), pg_attribute a"
            " WHERE p.conrelid = c.oid AND p.contype = 'p' AND a.attrelid = c.oid AND a.attnum = k.num) AS key"
            " FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
            " AND NOT c.relispartition"
        )
    )
    return {row.relname: list(row.key or ()) for row in rows}


def test_every_table_has_a_primary_key(tables):
    assert not [table for table, key in tables.items() if not key]


def test_per_account_tables_lead_with_their_account(tables):
    wrong = {t: key for t, key in tables.items() if t not in LOCAL and key[0] not in LEADING}
    assert not wrong, (
        f"lead the key with one of {LEADING}, or list the table as LOCAL with its reason: {wrong}"
    )


def test_local_list_names_only_tables_that_exist(tables):
    assert set(LOCAL) <= set(tables)


def test_unique_rules_contain_the_account(owner_tx, tables):
    rows = owner_tx.execute(
        text(
            "SELECT t.relname AS table, i.relname AS index, array_agg(a.attname) AS columns"
            " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
            " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(x.indkey)"
            " WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace AND NOT t.relispartition"
            " GROUP BY t.relname, i.relname"
        )
    )
    wrong = [row.index for row in rows if row.table not in LOCAL and not set(row.columns) & set(LEADING)]
    assert not wrong, f"a distributed database cannot keep these unique: {wrong}"


def test_partitions_have_one_level_by_day_and_a_default(owner_tx):
    rows = owner_tx.execute(
        text(
            "SELECT c.relname, p.partstrat, p.partdefid <> 0 AS has_default, c.relispartition AS nested,"
            " format_type(a.atttypid, NULL) AS of_type"
            " FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid"
            " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]"
        )
    ).all()
    assert rows
    wrong = [
        r.relname for r in rows if r.partstrat != "r" or not r.has_default or r.nested or r.of_type != "date"
    ]
    assert not wrong, wrong


def test_every_constraint_is_named_by_us(owner_tx):
    rows = owner_tx.execute(
        text(
            "SELECT t.relname AS table, c.conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
            " WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND c.contype <> 'n'"
            " AND t.relname <> 'alembic_version'"
            " AND c.conname ~ ('^' || t.relname || '(_.*)?_(pkey|key|check|fkey|excl)[0-9]*$')"
        )
    )
    wrong = [f"{row.table}.{row.conname}" for row in rows]
    assert not wrong, f"PostgreSQL made these names up: {wrong}"


def test_money_and_evidence_have_no_float_column(owner_tx):
    wrong = owner_tx.execute(
        text(
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('real', 'double precision', 'money')"
        )
    ).scalars()
    assert not list(wrong)


def test_instants_know_their_zone(owner_tx):
    wrong = owner_tx.execute(
        text(
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'timestamp without time zone'"
        )
    ).scalars()
    assert not list(wrong)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE"])
def test_service_has_no_right_to_rewrite(owner_tx, table, right):
    held = owner_tx.execute(
        text("SELECT has_table_privilege('lienthong', :table, :right)"), {"table": table, "right": right}
    ).scalar_one()
    columns = (
        right == "UPDATE"
        and owner_tx.execute(
            text("SELECT has_any_column_privilege('lienthong', :table, 'UPDATE')"), {"table": table}
        ).scalar_one()
    )
    assert not held
    assert not columns


def test_service_role_owns_nothing(owner_tx):
    owned = owner_tx.execute(
        text(
            "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
            " WHERE r.rolname IN ('lienthong', 'lienthong_app')"
        )
    ).scalars()
    assert not list(owned)


def test_migrations_are_one_chain_with_the_announced_head():
    scripts = ScriptDirectory.from_config(configuration())
    chain = [script.revision for script in scripts.walk_revisions()]
    assert (ROOT / "migrations/head.txt").read_text("utf-8").strip() == expected_revision() == chain[0]
    assert [revision[:4] for revision in reversed(chain)] == [f"{n:04}" for n in range(1, len(chain) + 1)]
    assert all(len(revision) <= 32 for revision in chain)


def test_migrations_pass_squawk(tmp_path, request):
    """Squawk knows which statements lock a busy table. New tables may be made as they like: nobody waits for them."""
    sql = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "alembic", "upgrade", "head", "--sql"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "all.sql").write_text(sql)
    ran = subprocess.run(
        [
            ROOT / ".venv/bin/squawk",
            "--pg-version=15",
            f"--exclude={','.join(HARMLESS)}",
            str(tmp_path / "all.sql"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr
