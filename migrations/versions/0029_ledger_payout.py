"""Payouts of settled days: what was prepared, who signed, the payments, and the file as it was released."""

from alembic import op

revision = "0029_ledger_payout"
down_revision = "0028_parking_plate_joins"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE ledger_payout (
    payout_id   uuid        NOT NULL,
    book_day    date        NOT NULL,
    currency    text        NOT NULL,
    revision    integer     NOT NULL,
    execute_on  date        NOT NULL,
    state       text        NOT NULL,
    prepared_by text        NOT NULL,
    prepared_at timestamptz NOT NULL,
    CONSTRAINT ledger_payout_pk PRIMARY KEY (payout_id),
    CONSTRAINT ledger_payout_once UNIQUE (book_day, currency, revision),
    CONSTRAINT ledger_payout_day_fk FOREIGN KEY (book_day, currency)
        REFERENCES ledger_settlement_day (book_day, currency),
    CONSTRAINT ledger_payout_state CHECK (state IN
        ('prepared', 'refused', 'approved', 'released', 'undo_asked', 'undone', 'executed'))
);
-- Two payouts of one day would pay it twice.
CREATE UNIQUE INDEX ledger_payout_one_alive ON ledger_payout (book_day, currency)
    WHERE state NOT IN ('refused', 'undone');
CREATE TABLE ledger_payout_payment (
    payout_id  uuid    NOT NULL,
    payment_no integer NOT NULL,
    payer      text    NOT NULL,
    payee      text    NOT NULL,
    minor      bigint  NOT NULL,
    end_to_end text    NOT NULL,
    name       text    NOT NULL,
    account    text    NOT NULL,
    bank       text    NOT NULL,
    bic        text    NOT NULL,
    CONSTRAINT ledger_payout_payment_pk PRIMARY KEY (payout_id, payment_no),
    CONSTRAINT ledger_payout_payment_end UNIQUE (end_to_end),
    CONSTRAINT ledger_payout_payment_fk FOREIGN KEY (payout_id) REFERENCES ledger_payout (payout_id),
    CONSTRAINT ledger_payout_payment_amount CHECK (minor > 0 AND payer <> payee)
);
CREATE TABLE ledger_payout_step (
    payout_id uuid        NOT NULL,
    step_no   integer     NOT NULL,
    event     text        NOT NULL,
    state     text        NOT NULL,
    actor     text        NOT NULL,
    at        timestamptz NOT NULL,
    note      text        NOT NULL,
    CONSTRAINT ledger_payout_step_pk PRIMARY KEY (payout_id, step_no),
    CONSTRAINT ledger_payout_step_fk FOREIGN KEY (payout_id) REFERENCES ledger_payout (payout_id)
);
CREATE TABLE ledger_payout_file (
    payout_id uuid        NOT NULL,
    content   bytea       NOT NULL,
    made_at   timestamptz NOT NULL,
    CONSTRAINT ledger_payout_file_pk PRIMARY KEY (payout_id),
    CONSTRAINT ledger_payout_file_fk FOREIGN KEY (payout_id) REFERENCES ledger_payout (payout_id)
);
"""

APPEND_ONLY = ("ledger_payout_payment", "ledger_payout_step", "ledger_payout_file")


def upgrade() -> None:
    op.execute(TABLES)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
    op.execute("GRANT SELECT, INSERT, UPDATE (state) ON ledger_payout TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError("0029_ledger_payout holds payouts: restore a backup instead of downgrading")
