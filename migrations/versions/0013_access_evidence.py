"""access evidence."""

from alembic import op

revision = "0013_access_evidence"
down_revision = "0012_access_media"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
