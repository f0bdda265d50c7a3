"""fare tariffs."""

from alembic import op

revision = "0010_fare_tariffs"
down_revision = "0009_ledger_proof"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
