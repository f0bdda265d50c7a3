"""access media."""

from alembic import op

revision = "0012_access_media"
down_revision = "0011_fare_sales"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
