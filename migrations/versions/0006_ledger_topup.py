"""Top-up: payment intents, raw notifications, payments, and the suspense queue."""

from alembic import op

revision = "0006_ledger_topup"
down_revision = "0005_parking_core"
branch_labels = None
depends_on = None

# All of these are local tables, never distributed: a payment is found by its reference before its rider is
# known, and there are as many as top-ups, not as taps.
INTENTS = """
CREATE TABLE ledger_topup_intent (
    intent_id       uuid        NOT NULL,
    provider        text        NOT NULL,
    fare_account_id uuid        NOT NULL,
    amount          bigint      NOT NULL,
    currency        text        NOT NULL,
    reference       text        NOT NULL,
    order_code      bigint      NOT NULL,
    qr              text        NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    state           text        NOT NULL,
    changed_at      timestamptz NOT NULL,
    CONSTRAINT ledger_topup_intent_pk PRIMARY KEY (intent_id),
    CONSTRAINT ledger_topup_intent_reference UNIQUE (reference),
    CONSTRAINT ledger_topup_intent_order_code UNIQUE (order_code),
    CONSTRAINT ledger_topup_intent_amount CHECK (amount > 0),
    CONSTRAINT ledger_topup_intent_window CHECK (created_at < expires_at),
    CONSTRAINT ledger_topup_intent_state CHECK (state IN ('open', 'mispaid', 'expired', 'credited'))
);
CREATE INDEX ledger_topup_intent_due ON ledger_topup_intent (expires_at) WHERE state IN ('open', 'mispaid');
CREATE INDEX ledger_topup_intent_rider ON ledger_topup_intent (fare_account_id, created_at);
CREATE FUNCTION ledger_topup_intent_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'credited' THEN
        RAISE EXCEPTION 'intent % is credited', OLD.intent_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_topup_intent_once BEFORE UPDATE ON ledger_topup_intent
    FOR EACH ROW EXECUTE FUNCTION ledger_topup_intent_guard();
"""

# The body as it came, verified and not yet understood. `ledger_notification_due` is the work still to do: its
# row goes in the transaction that writes the outcome, so a kill anywhere leaves either both or neither.
NOTIFICATIONS = """
CREATE TABLE ledger_notification (
    notification_id uuid        NOT NULL,
    provider        text        NOT NULL,
    raw             bytea       NOT NULL,
    received_at     timestamptz NOT NULL,
    CONSTRAINT ledger_notification_pk PRIMARY KEY (notification_id),
    CONSTRAINT ledger_notification_size CHECK (octet_length(raw) <= 65536)
);
CREATE TABLE ledger_notification_due (
    notification_id uuid        NOT NULL,
    received_at     timestamptz NOT NULL,
    CONSTRAINT ledger_notification_due_pk PRIMARY KEY (notification_id),
    CONSTRAINT ledger_notification_due_fk FOREIGN KEY (notification_id)
        REFERENCES ledger_notification (notification_id)
);
CREATE INDEX ledger_notification_due_age ON ledger_notification_due (received_at);
"""

# One row a movement that a provider told us of, by the identity that the provider promises never to repeat.
PAYMENTS = """
CREATE TABLE ledger_payment (
    payment_id      uuid        NOT NULL,
    provider        text        NOT NULL,
    identity        text        NOT NULL,
    reference       text        NOT NULL,
    account         text        NOT NULL,
    amount          bigint      NOT NULL,
    currency        text        NOT NULL,
    order_code      bigint,
    running_balance bigint,
    paid_at         timestamptz NOT NULL,
    notification_id uuid        NOT NULL,
    disposition     text        NOT NULL,
    intent_id       uuid,
    entry_owner_id  uuid,
    entry_id        uuid,
    decided_at      timestamptz NOT NULL,
    CONSTRAINT ledger_payment_pk PRIMARY KEY (payment_id),
    CONSTRAINT ledger_payment_identity UNIQUE (provider, identity),
    CONSTRAINT ledger_payment_notification_fk FOREIGN KEY (notification_id)
        REFERENCES ledger_notification (notification_id),
    CONSTRAINT ledger_payment_intent_fk FOREIGN KEY (intent_id) REFERENCES ledger_topup_intent (intent_id),
    CONSTRAINT ledger_payment_entry CHECK ((entry_id IS NULL) = (entry_owner_id IS NULL)),
    CONSTRAINT ledger_payment_credited CHECK
        (disposition <> 'credited' OR (intent_id IS NOT NULL AND entry_id IS NOT NULL AND amount > 0))
);
-- Whatever else goes wrong, an intent is credited once.
CREATE UNIQUE INDEX ledger_payment_credits_once ON ledger_payment (intent_id) WHERE disposition = 'credited';
CREATE TABLE ledger_notification_outcome (
    notification_id uuid        NOT NULL,
    outcome         text        NOT NULL,
    payment_id      uuid,
    decided_at      timestamptz NOT NULL,
    CONSTRAINT ledger_notification_outcome_pk PRIMARY KEY (notification_id),
    CONSTRAINT ledger_notification_outcome_fk FOREIGN KEY (notification_id)
        REFERENCES ledger_notification (notification_id),
    CONSTRAINT ledger_notification_outcome_payment_fk FOREIGN KEY (payment_id)
        REFERENCES ledger_payment (payment_id)
);
"""

SUSPENSE = """
CREATE TABLE ledger_suspense (
    suspense_id     uuid        NOT NULL,
    reason          text        NOT NULL,
    notification_id uuid        NOT NULL,
    payment_id      uuid,
    intent_id       uuid,
    amount          bigint,
    currency        text,
    booked          boolean     NOT NULL,
    opened_at       timestamptz NOT NULL,
    assigned_to     text        NOT NULL DEFAULT '',
    CONSTRAINT ledger_suspense_pk PRIMARY KEY (suspense_id),
    CONSTRAINT ledger_suspense_notification_fk FOREIGN KEY (notification_id)
        REFERENCES ledger_notification (notification_id),
    CONSTRAINT ledger_suspense_booked CHECK (NOT booked OR (payment_id IS NOT NULL AND amount > 0)),
    CONSTRAINT ledger_suspense_amount CHECK ((amount IS NULL) = (currency IS NULL))
);
CREATE INDEX ledger_suspense_age ON ledger_suspense (opened_at);
CREATE TABLE ledger_suspense_end (
    suspense_id uuid        NOT NULL,
    resolution  text        NOT NULL,
    actor       text        NOT NULL,
    ended_at    timestamptz NOT NULL,
    CONSTRAINT ledger_suspense_end_pk PRIMARY KEY (suspense_id),
    CONSTRAINT ledger_suspense_end_fk FOREIGN KEY (suspense_id) REFERENCES ledger_suspense (suspense_id)
);
"""

APPEND_ONLY = ("ledger_notification", "ledger_notification_outcome", "ledger_payment", "ledger_suspense_end")

RIGHTS = """
GRANT SELECT, INSERT ON ledger_topup_intent, ledger_notification, ledger_notification_due, ledger_payment,
    ledger_notification_outcome, ledger_suspense, ledger_suspense_end TO lienthong_app;
GRANT UPDATE (state, changed_at) ON ledger_topup_intent TO lienthong_app;
GRANT UPDATE (assigned_to) ON ledger_suspense TO lienthong_app;
GRANT DELETE ON ledger_notification_due TO lienthong_app;
"""


def upgrade() -> None:
    for part in (INTENTS, NOTIFICATIONS, PAYMENTS, SUSPENSE):
        op.execute(part)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    op.execute(RIGHTS)


def downgrade() -> None:
    raise RuntimeError("0006_ledger_topup holds payments: restore a backup instead of downgrading")
