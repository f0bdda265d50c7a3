"""Until when a stay's space is held and its time is paid, as its row shows it."""

from alembic import op

revision = "0015_parking_sessions"
down_revision = "0014_access_devices"
branch_labels = None
depends_on = None

# Derived like the rest of the row. Stays from before are shown without; their next revision writes them.
UNTIL = """
ALTER TABLE parking_stay ADD COLUMN held_until timestamptz;
ALTER TABLE parking_stay ADD COLUMN paid_until timestamptz;
CREATE INDEX parking_event_by_id ON parking_event (event_id);
CREATE INDEX parking_stay_held ON parking_stay (place_id, held_until) WHERE held_until IS NOT NULL;
CREATE INDEX parking_stay_paid_until ON parking_stay (paid_until) WHERE running AND paid_until IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(UNTIL)


def downgrade() -> None:
    raise RuntimeError("0015_parking_sessions belongs to stays and their bills: restore a backup instead")
