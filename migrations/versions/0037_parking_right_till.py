"""A shift's cash is also what rights were sold for at its till: found by the till, not by reading each right."""

from alembic import op

revision = "0037_parking_right_till"
down_revision = "0036_parking_webhook_order"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX parking_right_till ON parking_right (till, assigned_at) WHERE till <> ''")


def downgrade() -> None:
    op.execute("DROP INDEX parking_right_till")
