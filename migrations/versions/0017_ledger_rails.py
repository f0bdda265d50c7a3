"""ledger rails."""

from alembic import op

revision = "0017_ledger_rails"
down_revision = "0016_parking_operators"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
