"""A camera's reading may be joined anew, when a gate that was offline tells of the entry that it saw."""

from alembic import op

revision = "0028_parking_plate_joins"
down_revision = "0027_ledger_history"
branch_labels = None
depends_on = None

# The newest revision counts; what was thought before stays on record.
JOINS = """
ALTER TABLE parking_plate_join ADD COLUMN revision integer NOT NULL DEFAULT 1;
ALTER TABLE parking_plate_join DROP CONSTRAINT parking_plate_join_pk;
ALTER TABLE parking_plate_join ADD CONSTRAINT parking_plate_join_pk PRIMARY KEY (event_id, revision);
ALTER TABLE parking_plate_join ADD CONSTRAINT parking_plate_join_revision CHECK (revision >= 1);
CREATE INDEX parking_stay_entered ON parking_stay (place_id, entered_at) WHERE NOT guest;
"""


def upgrade() -> None:
    op.execute(JOINS)


def downgrade() -> None:
    raise RuntimeError(
        "0028_parking_plate_joins tells which stay a reading belongs to: restore a backup instead"
    )
