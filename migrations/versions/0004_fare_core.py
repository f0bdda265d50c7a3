"""fare core."""

from alembic import op

revision = "0004_fare_core"
down_revision = "0003_access_core"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
