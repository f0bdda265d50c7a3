"""ledger proof."""

from alembic import op

revision = "0009_ledger_proof"
down_revision = "0008_service_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
