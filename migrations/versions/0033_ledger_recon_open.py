"""Reconciliation looks at what is new and what is open, never at all history."""

from alembic import op

revision = "0033_ledger_recon_open"
down_revision = "0032_access_felica"
branch_labels = None
depends_on = None

# Each statement that writes movements says which numbers it gave them, in its own transaction: whoever sees a
# movement sees its arrival, so that one that commits late is not passed by. A range may hold others' movements too;
# looking at one twice changes nothing.
ARRIVALS = """
CREATE TABLE ledger_recon_arrival (
    arrival_no bigint  GENERATED ALWAYS AS IDENTITY,
    first_no   bigint  NOT NULL,
    last_no    bigint  NOT NULL,
    source_id  uuid,
    currency   text    NOT NULL,
    movements  bigint  NOT NULL,
    moved      numeric NOT NULL,
    listed     boolean NOT NULL DEFAULT false,
    CONSTRAINT ledger_recon_arrival_pk PRIMARY KEY (arrival_no),
    CONSTRAINT ledger_recon_arrival_range CHECK (last_no >= first_no AND movements > 0 AND moved >= 0)
);
CREATE FUNCTION ledger_recon_arrive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_recon_arrival (first_no, last_no, source_id, currency, movements, moved)
    SELECT min(item_no), max(item_no), CASE WHEN side = 'bank' THEN source_id END, currency, count(*), sum(abs(amount))
    FROM fresh GROUP BY 3, currency;
    RETURN NULL;
END
$$;
CREATE TRIGGER ledger_recon_item_arrives AFTER INSERT ON ledger_recon_item REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_recon_arrive();
-- Payments that have a home and that reconciliation has not been told of.
CREATE TABLE ledger_recon_untold (
    payment_id uuid NOT NULL,
    CONSTRAINT ledger_recon_untold_pk PRIMARY KEY (payment_id)
);
CREATE FUNCTION ledger_recon_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_recon_untold (payment_id) VALUES (NEW.payment_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER ledger_payment_is_told AFTER INSERT ON ledger_payment
    FOR EACH ROW WHEN (NEW.entry_id IS NOT NULL) EXECUTE FUNCTION ledger_recon_tell();
"""

# What runs left over, by the two sides that it is open between; statements whose matches changed since they were
# booked; providers whose files are matched; and what all movements that were looked at come to.
OPEN = """
CREATE TABLE ledger_recon_open (
    relation text   NOT NULL,
    item_no  bigint NOT NULL,
    CONSTRAINT ledger_recon_open_pk PRIMARY KEY (relation, item_no),
    CONSTRAINT ledger_recon_open_relates CHECK
        (relation IN ('ledger-bank', 'ledger-provider', 'provider-bank'))
);
CREATE TABLE ledger_recon_due (
    source_id uuid NOT NULL,
    CONSTRAINT ledger_recon_due_pk PRIMARY KEY (source_id)
);
CREATE TABLE ledger_recon_pool (
    pool text NOT NULL,
    CONSTRAINT ledger_recon_pool_pk PRIMARY KEY (pool)
);
CREATE TABLE ledger_recon_total (
    currency  text    NOT NULL,
    movements bigint  NOT NULL,
    moved     numeric NOT NULL,
    CONSTRAINT ledger_recon_total_pk PRIMARY KEY (currency)
);
GRANT SELECT, INSERT, DELETE ON ledger_recon_arrival, ledger_recon_untold, ledger_recon_open, ledger_recon_due
    TO lienthong_app;
GRANT UPDATE (listed) ON ledger_recon_arrival TO lienthong_app;
GRANT SELECT, INSERT ON ledger_recon_pool, ledger_recon_total TO lienthong_app;
GRANT UPDATE (movements, moved) ON ledger_recon_total TO lienthong_app;
"""

# Everything there is arrives once more: the next run finds by the matches what is open.
BACKFILL = """
INSERT INTO ledger_recon_arrival (first_no, last_no, source_id, currency, movements, moved)
SELECT min(item_no), max(item_no), CASE WHEN side = 'bank' THEN source_id END, currency, count(*), sum(abs(amount))
FROM ledger_recon_item GROUP BY 3, currency;
INSERT INTO ledger_recon_untold (payment_id) SELECT payment_id FROM ledger_payment p
WHERE entry_id IS NOT NULL AND NOT EXISTS (SELECT FROM ledger_recon_item k WHERE k.item_id = p.payment_id);
"""


def upgrade() -> None:
    for part in (ARRIVALS, OPEN, BACKFILL):
        op.execute(part)


def downgrade() -> None:
    for table, trigger, function in (
        ("ledger_payment", "ledger_payment_is_told", "ledger_recon_tell"),
        ("ledger_recon_item", "ledger_recon_item_arrives", "ledger_recon_arrive"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute(f"DROP FUNCTION {function}()")
    for table in ("total", "pool", "due", "open", "untold", "arrival"):
        op.execute(f"DROP TABLE ledger_recon_{table}")
