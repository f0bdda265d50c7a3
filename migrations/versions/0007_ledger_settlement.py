"""ledger settlement."""

from alembic import op

revision = "0007_ledger_settlement"
down_revision = "0006_ledger_topup"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
