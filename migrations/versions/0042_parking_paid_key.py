"""Stays by what parked: paid time that goes along is found without reading each day."""

from alembic import op

revision = "0042_parking_paid_key"
down_revision = "0041_parking_missed_exit"
branch_labels = None
depends_on = None


# Only stays that were paid ahead are in it: a few in a hundred.
INDEX = """
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX parking_stay_key_ahead ON parking_stay_key (subject, paid_until) WHERE paid_until IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(INDEX)


def downgrade() -> None:
    op.execute("DROP INDEX parking_stay_key_ahead")
