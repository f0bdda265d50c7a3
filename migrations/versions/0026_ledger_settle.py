"""Settlement complete: pass revenue, shares and fees on lines, claims, operators' terms, steps, pass money by route."""

from alembic import op

revision = "0026_ledger_settle"
down_revision = "0025_ledger_till"
branch_labels = None
depends_on = None

# Lines of days that were settled before are about their own day and have nothing in the new columns.
COLUMNS = """
ALTER TABLE ledger_settlement_line ADD COLUMN service_day date;
ALTER TABLE ledger_settlement_line ADD COLUMN pass_revenue bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_settlement_line ADD COLUMN shared bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_settlement_line ADD COLUMN fees bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_settlement ADD COLUMN pass_revenue bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_settlement ADD COLUMN shared bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_settlement ADD COLUMN cash_kept bigint NOT NULL DEFAULT 0;
-- A refund of an earlier day may give fees back.
-- squawk-ignore ban-drop-constraint
ALTER TABLE ledger_settlement DROP CONSTRAINT ledger_settlement_positive;
ALTER TABLE ledger_settlement ADD CONSTRAINT ledger_settlement_counts
    CHECK (collected >= 0 AND refunded >= 0) NOT VALID;
"""

TABLES = """
CREATE TABLE ledger_settlement_claim (
    book_day    date   NOT NULL,
    currency    text   NOT NULL,
    operator_id text   NOT NULL,
    claim_no    integer NOT NULL,
    house       text   NOT NULL,
    route_id    text   NOT NULL,
    service_day date   NOT NULL,
    funder      text   NOT NULL,
    component   text   NOT NULL,
    rule        text   NOT NULL,
    rides       bigint NOT NULL,
    minor       bigint NOT NULL,
    CONSTRAINT ledger_settlement_claim_pk PRIMARY KEY (book_day, currency, operator_id, claim_no),
    CONSTRAINT ledger_settlement_claim_settlement_fk FOREIGN KEY (book_day, currency, operator_id)
        REFERENCES ledger_settlement (book_day, currency, operator_id)
);
CREATE TABLE ledger_settlement_step (
    book_day date        NOT NULL,
    step     text        NOT NULL,
    run_no   integer     NOT NULL,
    detail   text        NOT NULL,
    at       timestamptz NOT NULL,
    CONSTRAINT ledger_settlement_step_pk PRIMARY KEY (book_day, step, run_no)
);
CREATE TABLE ledger_operator_terms (
    operator_id text        NOT NULL,
    version     integer     NOT NULL,
    valid_from  date        NOT NULL,
    terms       jsonb       NOT NULL,
    proposed_by text        NOT NULL,
    proposed_at timestamptz NOT NULL,
    CONSTRAINT ledger_operator_terms_pk PRIMARY KEY (operator_id, version)
);
CREATE TABLE ledger_operator_terms_end (
    operator_id text        NOT NULL,
    version     integer     NOT NULL,
    approved    boolean     NOT NULL,
    decided_by  text        NOT NULL,
    decided_at  timestamptz NOT NULL,
    CONSTRAINT ledger_operator_terms_end_pk PRIMARY KEY (operator_id, version),
    CONSTRAINT ledger_operator_terms_end_fk FOREIGN KEY (operator_id, version)
        REFERENCES ledger_operator_terms (operator_id, version)
);
CREATE TABLE fare_pass_earned_route (
    product_id  text   NOT NULL,
    book_day    date   NOT NULL,
    operator_id text   NOT NULL,
    route_id    text   NOT NULL,
    basis       text   NOT NULL,
    weight      bigint NOT NULL,
    minor       bigint NOT NULL,
    CONSTRAINT fare_pass_earned_route_pk PRIMARY KEY (product_id, book_day, operator_id, route_id),
    CONSTRAINT fare_pass_earned_route_fk FOREIGN KEY (product_id, book_day)
        REFERENCES fare_pass_earned (product_id, book_day),
    CONSTRAINT fare_pass_earned_route_basis CHECK (basis IN ('face_value', 'rides', 'kilometres')),
    CONSTRAINT fare_pass_earned_route_weight CHECK (weight > 0)
);
"""

APPEND_ONLY = (
    "ledger_settlement_claim",
    "ledger_settlement_step",
    "ledger_operator_terms",
    "ledger_operator_terms_end",
    "fare_pass_earned_route",
)


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(TABLES)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError("0026_ledger_settle holds settlements: restore a backup instead of downgrading")
