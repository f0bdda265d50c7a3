"""A dispute names the cause of its charge, so that its refund follows the charge when evidence changes that."""

from alembic import op

revision = "0019_ledger_disputes"
down_revision = "0018_ledger_reconcile"
branch_labels = None
depends_on = None

# By cause, not by account: when cards are linked, a ride is charged to another account than the one that disputed it.
STEPS = (
    "ALTER TABLE ledger_dispute ADD COLUMN cause text NOT NULL DEFAULT ''",
    """
    UPDATE ledger_dispute d SET cause = l.cause FROM ledger_line l
    WHERE l.owner_id = d.owner_id AND l.entry_id = d.entry_id AND l.line_no = 1
    """,
    "CREATE INDEX ledger_dispute_refunded ON ledger_dispute (cause) WHERE state = 'refunded'",
)


def upgrade() -> None:
    for step in STEPS:
        op.execute(step)


def downgrade() -> None:
    for step in (
        "DROP INDEX ledger_dispute_refunded",
        "ALTER TABLE ledger_dispute DROP COLUMN cause",
    ):
        op.execute(step)
