"""ledger reconcile."""

from alembic import op

revision = "0018_ledger_reconcile"
down_revision = "0017_ledger_rails"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
