"""fare sales."""

from alembic import op

revision = "0011_fare_sales"
down_revision = "0010_fare_tariffs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
