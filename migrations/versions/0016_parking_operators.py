"""parking operators."""

from alembic import op

revision = "0016_parking_operators"
down_revision = "0015_parking_sessions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
