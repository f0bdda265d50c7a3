"""ledger core."""

from alembic import op

revision = "0002_ledger_core"
down_revision = "0001_service_staff"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
