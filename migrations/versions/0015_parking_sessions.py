"""parking sessions."""

from alembic import op

revision = "0015_parking_sessions"
down_revision = "0014_access_devices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
