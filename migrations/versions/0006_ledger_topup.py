"""ledger topup."""

from alembic import op

revision = "0006_ledger_topup"
down_revision = "0005_parking_core"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
