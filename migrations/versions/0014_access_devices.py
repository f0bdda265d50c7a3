"""access devices."""

from alembic import op

revision = "0014_access_devices"
down_revision = "0013_access_evidence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
