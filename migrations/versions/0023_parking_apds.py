"""Parking's outer doors: quotes with an id, and webhooks with their outbox."""

from alembic import op

revision = "0023_parking_apds"
down_revision = "0022_ledger_benefits"
branch_labels = None
depends_on = None

# What changed for an operator since an instant: lists, exports and webhooks read it in this order.
CHANGES = "CREATE INDEX parking_stay_changed ON parking_stay (operator_id, billed_at)"

# Local: what was asked for by whom; the price follows from it for ever.
QUOTES = """
CREATE TABLE parking_quote (
    quote_id        uuid        NOT NULL,
    request_id      text        NOT NULL,
    request_version integer     NOT NULL,
    asker           text        NOT NULL,
    spec_id         text        NOT NULL,
    place_id        text        NOT NULL,
    operator_id     text        NOT NULL,
    vehicle_class   text        NOT NULL,
    user_kind       text        NOT NULL,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    requested_at    timestamptz NOT NULL,
    answered_at     timestamptz NOT NULL,
    CONSTRAINT parking_quote_pk PRIMARY KEY (quote_id),
    CONSTRAINT parking_quote_times CHECK (starts_at <= ends_at)
);
CREATE INDEX parking_quote_answered ON parking_quote (operator_id, answered_at);
"""

# The secret is derived from the keyring, the subscription and its generation: none is stored.
WEBHOOKS = """
CREATE TABLE parking_webhook (
    subscription_id  uuid        NOT NULL,
    operator_id      text        NOT NULL,
    endpoint         text        NOT NULL,
    topics           text[]      NOT NULL,
    place_ids        text[]      NOT NULL,
    include_children boolean     NOT NULL,
    generation       integer     NOT NULL,
    previous_until   timestamptz,
    created_at       timestamptz NOT NULL,
    created_by       text        NOT NULL,
    seen_to          timestamptz NOT NULL,
    ended_at         timestamptz,
    CONSTRAINT parking_webhook_pk PRIMARY KEY (subscription_id),
    CONSTRAINT parking_webhook_generation CHECK (generation >= 1)
);
CREATE INDEX parking_webhook_operator ON parking_webhook (operator_id);
CREATE TABLE parking_webhook_event (
    event_id        uuid        NOT NULL,
    subscription_id uuid        NOT NULL,
    topic           text        NOT NULL,
    body            text        NOT NULL,
    made_at         timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    tries           integer     NOT NULL DEFAULT 0,
    sent_at         timestamptz,
    dead_at         timestamptz,
    last_error      text        NOT NULL DEFAULT '',
    CONSTRAINT parking_webhook_event_pk PRIMARY KEY (event_id),
    CONSTRAINT parking_webhook_event_fk FOREIGN KEY (subscription_id)
        REFERENCES parking_webhook (subscription_id),
    CONSTRAINT parking_webhook_event_end CHECK (sent_at IS NULL OR dead_at IS NULL)
);
CREATE INDEX parking_webhook_event_due ON parking_webhook_event (due_at)
    WHERE sent_at IS NULL AND dead_at IS NULL;
CREATE INDEX parking_webhook_event_made ON parking_webhook_event (subscription_id, made_at);
"""

APPEND_ONLY = ("parking_quote",)


def upgrade() -> None:
    for part in (CHANGES, QUOTES, WEBHOOKS):
        op.execute(part)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    for table in (*APPEND_ONLY, "parking_webhook", "parking_webhook_event"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
    op.execute(
        "GRANT UPDATE (endpoint, topics, place_ids, include_children, generation, previous_until, seen_to, ended_at)"
        " ON parking_webhook TO lienthong_app"
    )
    op.execute(
        "GRANT UPDATE (due_at, tries, sent_at, dead_at, last_error) ON parking_webhook_event TO lienthong_app"
    )


def downgrade() -> None:
    for part in (
        "DROP TABLE parking_webhook_event",
        "DROP TABLE parking_webhook",
        "DROP TABLE parking_quote",
        "DROP INDEX parking_stay_changed",
    ):
        op.execute(part)
