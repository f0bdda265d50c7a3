"""Webhooks tell each change of a stay, in its order, however many came between two runs."""

from alembic import op

revision = "0036_parking_webhook_order"
down_revision = "0035_ledger_subsidy"
branch_labels = None
depends_on = None

# Local, an outbox's own: a revision of a stay as it was written, kept until every subscription has looked at it.
CHANGES = """
CREATE TABLE parking_stay_change (
    stay_id     uuid        NOT NULL,
    revision    integer     NOT NULL,
    operator_id text        NOT NULL,
    billed_at   timestamptz NOT NULL,
    stay        jsonb       NOT NULL,
    CONSTRAINT parking_stay_change_pk PRIMARY KEY (stay_id, revision)
);
CREATE INDEX parking_stay_change_at ON parking_stay_change (billed_at);
GRANT SELECT, INSERT, DELETE ON parking_stay_change TO lienthong_app;
"""

# What a message is about, and its place in the line: of one element the older message goes first.
ORDER = """
ALTER TABLE parking_webhook_event ADD COLUMN element_id text NOT NULL DEFAULT '';
CREATE SEQUENCE parking_webhook_line;
GRANT USAGE ON SEQUENCE parking_webhook_line TO lienthong_app;
ALTER TABLE parking_webhook_event ADD COLUMN number bigint;
ALTER TABLE parking_webhook_event ALTER COLUMN number SET DEFAULT nextval('parking_webhook_line');
CREATE INDEX parking_webhook_event_line ON parking_webhook_event (subscription_id, element_id, number)
    WHERE sent_at IS NULL AND dead_at IS NULL;
"""


def upgrade() -> None:
    op.execute(CHANGES)
    op.execute(ORDER)


def downgrade() -> None:
    op.execute("DROP INDEX parking_webhook_event_line")
    op.execute("ALTER TABLE parking_webhook_event DROP COLUMN number")
    op.execute("DROP SEQUENCE parking_webhook_line")
    op.execute("ALTER TABLE parking_webhook_event DROP COLUMN element_id")
    op.execute("DROP TABLE parking_stay_change")
