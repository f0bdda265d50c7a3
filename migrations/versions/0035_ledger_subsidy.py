"""Subsidies: statements to funders with their claims and steps, and what payouts pass on of the money that came."""

from alembic import op

revision = "0035_ledger_subsidy"
down_revision = "0034_parking_keys"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE ledger_subsidy (
    subsidy_id  uuid        NOT NULL,
    funder      text        NOT NULL,
    currency    text        NOT NULL,
    through_on  date        NOT NULL,
    reference   text        NOT NULL,
    minor       bigint      NOT NULL,
    state       text        NOT NULL,
    prepared_by text        NOT NULL,
    prepared_at timestamptz NOT NULL,
    CONSTRAINT ledger_subsidy_pk PRIMARY KEY (subsidy_id),
    CONSTRAINT ledger_subsidy_reference UNIQUE (reference),
    CONSTRAINT ledger_subsidy_amount CHECK (minor > 0),
    CONSTRAINT ledger_subsidy_state CHECK (state IN ('prepared', 'refused', 'sent', 'withdrawn'))
);
CREATE TABLE ledger_subsidy_claim (
    subsidy_id  uuid    NOT NULL,
    book_day    date    NOT NULL,
    currency    text    NOT NULL,
    operator_id text    NOT NULL,
    claim_no    integer NOT NULL,
    live        boolean NOT NULL,
    CONSTRAINT ledger_subsidy_claim_pk PRIMARY KEY (subsidy_id, book_day, currency, operator_id, claim_no),
    CONSTRAINT ledger_subsidy_claim_fk FOREIGN KEY (subsidy_id) REFERENCES ledger_subsidy (subsidy_id),
    CONSTRAINT ledger_subsidy_claim_claim_fk FOREIGN KEY (book_day, currency, operator_id, claim_no)
        REFERENCES ledger_settlement_claim (book_day, currency, operator_id, claim_no)
);
-- No funder is asked twice for one claim.
CREATE UNIQUE INDEX ledger_subsidy_claim_once ON ledger_subsidy_claim (book_day, currency, operator_id, claim_no)
    WHERE live;
CREATE TABLE ledger_subsidy_step (
    subsidy_id uuid        NOT NULL,
    step_no    integer     NOT NULL,
    event      text        NOT NULL,
    state      text        NOT NULL,
    actor      text        NOT NULL,
    at         timestamptz NOT NULL,
    note       text        NOT NULL,
    CONSTRAINT ledger_subsidy_step_pk PRIMARY KEY (subsidy_id, step_no),
    CONSTRAINT ledger_subsidy_step_fk FOREIGN KEY (subsidy_id) REFERENCES ledger_subsidy (subsidy_id)
);
CREATE TABLE ledger_payout_subsidy (
    payout_id   uuid    NOT NULL,
    subsidy_id  uuid    NOT NULL,
    operator_id text    NOT NULL,
    minor       bigint  NOT NULL,
    live        boolean NOT NULL,
    CONSTRAINT ledger_payout_subsidy_pk PRIMARY KEY (payout_id, subsidy_id, operator_id),
    CONSTRAINT ledger_payout_subsidy_fk FOREIGN KEY (payout_id) REFERENCES ledger_payout (payout_id),
    CONSTRAINT ledger_payout_subsidy_subsidy_fk FOREIGN KEY (subsidy_id) REFERENCES ledger_subsidy (subsidy_id)
);
-- What a funder paid is passed on once.
CREATE UNIQUE INDEX ledger_payout_subsidy_once ON ledger_payout_subsidy (subsidy_id, operator_id) WHERE live;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(
        "CREATE TRIGGER ledger_subsidy_step_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_subsidy_step "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
    op.execute("GRANT SELECT, INSERT ON ledger_subsidy_step TO lienthong_app")
    op.execute("GRANT SELECT, INSERT, UPDATE (state) ON ledger_subsidy TO lienthong_app")
    for table in ("ledger_subsidy_claim", "ledger_payout_subsidy"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE (live) ON {table} TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError(
        "0035_ledger_subsidy holds what funders were asked for: restore a backup instead of downgrading"
    )
