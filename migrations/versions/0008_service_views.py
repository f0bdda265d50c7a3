"""service views."""

from alembic import op

revision = "0008_service_views"
down_revision = "0007_ledger_settlement"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
