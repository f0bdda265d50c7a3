"""Tills of conductors, kiosks and stations, their shifts, and what happened in them."""

from alembic import op

revision = "0025_ledger_till"
down_revision = "0024_ledger_pay_back"
branch_labels = None
depends_on = None

# Local tables: some hundred tills, a few shifts a day each.
TILLS = """
CREATE TABLE ledger_till (
    till     text        NOT NULL,
    kind     text        NOT NULL,
    most     bigint      NOT NULL,
    currency text        NOT NULL,
    added_by text        NOT NULL,
    added_at timestamptz NOT NULL,
    CONSTRAINT ledger_till_pk PRIMARY KEY (till),
    CONSTRAINT ledger_till_kind CHECK (kind IN ('conductor', 'kiosk', 'station')),
    CONSTRAINT ledger_till_most CHECK (most > 0)
);
CREATE TABLE ledger_till_shift (
    shift_id    uuid        NOT NULL,
    till        text        NOT NULL,
    shift_no    integer     NOT NULL,
    agent       text        NOT NULL,
    float_minor bigint      NOT NULL,
    currency    text        NOT NULL,
    opened_by   text        NOT NULL,
    opened_at   timestamptz NOT NULL,
    CONSTRAINT ledger_till_shift_pk PRIMARY KEY (shift_id),
    CONSTRAINT ledger_till_shift_no UNIQUE (till, shift_no),
    CONSTRAINT ledger_till_shift_till FOREIGN KEY (till) REFERENCES ledger_till (till),
    CONSTRAINT ledger_till_shift_float CHECK (float_minor >= 0)
);
CREATE TABLE ledger_till_event (
    event_id uuid        NOT NULL,
    shift_id uuid        NOT NULL,
    event_no integer     NOT NULL,
    event    text        NOT NULL,
    amount   bigint      NOT NULL,
    expected bigint,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL,
    CONSTRAINT ledger_till_event_pk PRIMARY KEY (event_id),
    CONSTRAINT ledger_till_event_no UNIQUE (shift_id, event_no),
    CONSTRAINT ledger_till_event_shift FOREIGN KEY (shift_id) REFERENCES ledger_till_shift (shift_id),
    CONSTRAINT ledger_till_event_event CHECK (event IN ('topped_up', 'remitted', 'counted', 'closed')),
    CONSTRAINT ledger_till_event_amount CHECK (amount >= 0),
    CONSTRAINT ledger_till_event_expected CHECK ((event = 'counted') = (expected IS NOT NULL))
);
GRANT SELECT, INSERT ON ledger_till, ledger_till_shift, ledger_till_event TO lienthong_app;
"""


def upgrade() -> None:
    op.execute(TILLS)
    for table in ("ledger_till", "ledger_till_shift", "ledger_till_event"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def downgrade() -> None:
    raise RuntimeError("0025_ledger_till holds what people signed: restore a backup instead of downgrading")
