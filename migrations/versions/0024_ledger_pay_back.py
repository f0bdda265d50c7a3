"""Paying riders back: orders, the steps that people took with them, and the payment files they went out in."""

from alembic import op

revision = "0024_ledger_pay_back"
down_revision = "0023_parking_apds"
branch_labels = None
depends_on = None

# Local tables: they are about our bank account and signed by people.
ORDERS = """
CREATE TABLE ledger_pay_back (
    order_id        uuid        NOT NULL,
    amount          bigint      NOT NULL,
    currency        text        NOT NULL,
    payee_name      text        NOT NULL,
    payee_account   text        NOT NULL,
    payee_bic       text        NOT NULL,
    payee_bank      text        NOT NULL,
    cause           text        NOT NULL,
    payment_id      uuid,
    fare_account_id uuid,
    asked_by        text        NOT NULL,
    asked_at        timestamptz NOT NULL,
    CONSTRAINT ledger_pay_back_pk PRIMARY KEY (order_id),
    CONSTRAINT ledger_pay_back_amount CHECK (amount > 0),
    CONSTRAINT ledger_pay_back_rider CHECK ((payment_id IS NULL) = (fare_account_id IS NULL))
);
CREATE INDEX ledger_pay_back_payment ON ledger_pay_back (payment_id) WHERE payment_id IS NOT NULL;
CREATE TABLE ledger_pay_back_batch (
    batch_id uuid        NOT NULL,
    made_by  text        NOT NULL,
    made_at  timestamptz NOT NULL,
    CONSTRAINT ledger_pay_back_batch_pk PRIMARY KEY (batch_id)
);
CREATE TABLE ledger_pay_back_step (
    order_id uuid        NOT NULL,
    step_no  integer     NOT NULL,
    state    text        NOT NULL,
    note     text        NOT NULL,
    batch_id uuid,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL,
    CONSTRAINT ledger_pay_back_step_pk PRIMARY KEY (order_id, step_no),
    CONSTRAINT ledger_pay_back_step_once UNIQUE (order_id, state),
    CONSTRAINT ledger_pay_back_step_fk FOREIGN KEY (order_id) REFERENCES ledger_pay_back (order_id),
    CONSTRAINT ledger_pay_back_step_batch FOREIGN KEY (batch_id) REFERENCES ledger_pay_back_batch (batch_id),
    CONSTRAINT ledger_pay_back_step_state CHECK
        (state IN ('asked', 'approved', 'sent', 'returned', 'rejected')),
    CONSTRAINT ledger_pay_back_step_file CHECK ((state = 'sent') = (batch_id IS NOT NULL))
);
CREATE INDEX ledger_pay_back_step_of ON ledger_pay_back_step (batch_id) WHERE batch_id IS NOT NULL;
GRANT SELECT, INSERT ON ledger_pay_back, ledger_pay_back_batch, ledger_pay_back_step TO lienthong_app;
"""


def upgrade() -> None:
    op.execute(ORDERS)
    for table in ("ledger_pay_back", "ledger_pay_back_batch", "ledger_pay_back_step"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def downgrade() -> None:
    raise RuntimeError(
        "0024_ledger_pay_back holds what people signed: restore a backup instead of downgrading"
    )
