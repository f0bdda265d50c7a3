"""E-invoices: an operator's series, its invoices with numbers that have no gap, and what became of each."""

from alembic import op

revision = "0020_ledger_invoice"
down_revision = "0019_ledger_disputes"
branch_labels = None
depends_on = None

# Local tables: an invoice belongs to an operator's series, found by the ride or stay that it is about.
TABLES = """
CREATE TABLE ledger_invoice_series (
    operator_id     text        NOT NULL,
    symbol          text        NOT NULL,
    house           text        NOT NULL,
    template        smallint    NOT NULL,
    tax_rate        text        NOT NULL,
    seller_name     text        NOT NULL,
    seller_tax_code text        NOT NULL,
    seller_address  text        NOT NULL,
    opened_at       timestamptz NOT NULL,
    opened_by       text        NOT NULL,
    next_number     bigint      NOT NULL,
    CONSTRAINT ledger_invoice_series_pk PRIMARY KEY (operator_id, symbol),
    CONSTRAINT ledger_invoice_series_symbol CHECK (symbol ~ '^[CK][0-9]{2}[TDLMNBGHX][A-Z]{2}$'),
    CONSTRAINT ledger_invoice_series_number CHECK (next_number BETWEEN 1 AND 100000000)
);
CREATE TABLE ledger_invoice (
    operator_id text        NOT NULL,
    symbol      text        NOT NULL,
    number      bigint      NOT NULL,
    invoice_id  uuid        NOT NULL,
    house       text        NOT NULL,
    subject_id  uuid        NOT NULL,
    revision    integer     NOT NULL,
    replaces    uuid,
    issued_on   date        NOT NULL,
    issued_at   timestamptz NOT NULL,
    happened_at timestamptz NOT NULL,
    title       text        NOT NULL,
    plate       text,
    facts       jsonb       NOT NULL,
    currency    text        NOT NULL,
    total       bigint      NOT NULL,
    tax         bigint      NOT NULL,
    tax_rate    text        NOT NULL,
    state       text        NOT NULL,
    ended_by    text        NOT NULL,
    notice_due  boolean     NOT NULL,
    CONSTRAINT ledger_invoice_pk PRIMARY KEY (operator_id, symbol, number),
    CONSTRAINT ledger_invoice_id UNIQUE (invoice_id),
    CONSTRAINT ledger_invoice_subject UNIQUE (operator_id, house, subject_id, revision),
    CONSTRAINT ledger_invoice_series_fk FOREIGN KEY (operator_id, symbol)
        REFERENCES ledger_invoice_series (operator_id, symbol),
    CONSTRAINT ledger_invoice_amounts CHECK (total > 0 AND tax BETWEEN 0 AND total),
    CONSTRAINT ledger_invoice_number CHECK (number BETWEEN 1 AND 99999999),
    CONSTRAINT ledger_invoice_state CHECK (state IN ('issued', 'sent', 'accepted', 'replaced', 'cancelled')),
    CONSTRAINT ledger_invoice_end CHECK ((state IN ('replaced', 'cancelled')) = (ended_by <> '')),
    CONSTRAINT ledger_invoice_notice CHECK (NOT notice_due OR state = 'cancelled')
);
CREATE INDEX ledger_invoice_outbox ON ledger_invoice (operator_id, symbol, number)
    WHERE state = 'issued' OR notice_due;
CREATE INDEX ledger_invoice_by_subject ON ledger_invoice (subject_id);
CREATE INDEX ledger_invoice_by_day ON ledger_invoice (issued_on, operator_id);
CREATE TABLE ledger_invoice_event (
    invoice_id uuid        NOT NULL,
    event_no   integer     NOT NULL,
    event      text        NOT NULL,
    state      text        NOT NULL,
    actor      text        NOT NULL,
    at         timestamptz NOT NULL,
    note       text        NOT NULL,
    CONSTRAINT ledger_invoice_event_pk PRIMARY KEY (invoice_id, event_no),
    CONSTRAINT ledger_invoice_event_invoice_fk FOREIGN KEY (invoice_id) REFERENCES ledger_invoice (invoice_id)
);
-- A number is given once, in order, and what was issued under it never changes: only its state moves.
CREATE FUNCTION ledger_invoice_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('replaced', 'cancelled') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'invoice % has ended', OLD.invoice_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_invoice_once BEFORE UPDATE ON ledger_invoice
    FOR EACH ROW EXECUTE FUNCTION ledger_invoice_guard();
CREATE FUNCTION ledger_invoice_forwards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next_number < OLD.next_number THEN
        RAISE EXCEPTION 'series % of % never goes back', OLD.symbol, OLD.operator_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_invoice_series_forwards BEFORE UPDATE ON ledger_invoice_series
    FOR EACH ROW EXECUTE FUNCTION ledger_invoice_forwards();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(
        "CREATE TRIGGER ledger_invoice_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON ledger_invoice_event FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
    for table in ("ledger_invoice", "ledger_invoice_series"):
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    for table in ("ledger_invoice_series", "ledger_invoice", "ledger_invoice_event"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
    op.execute("GRANT UPDATE (next_number) ON ledger_invoice_series TO lienthong_app")
    op.execute("GRANT UPDATE (state, ended_by, notice_due) ON ledger_invoice TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError("0020_ledger_invoice holds invoices: restore a backup instead of downgrading")
