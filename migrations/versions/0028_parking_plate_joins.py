"""A camera's reading may be joined anew, when a gate that was offline tells of the entry that it saw."""

from alembic import op

revision = "0028_parking_plate_joins"
down_revision = "0027_ledger_history"
branch_labels = None
depends_on = None

# What was thought first stays on record; a reading that has a row here belongs to this session. It never moves again:
# only what stood for a guest's session moves, and only to a card's.
JOINS = """
CREATE TABLE parking_plate_rejoin (
    event_id   uuid        NOT NULL,
    subject    uuid        NOT NULL,
    session_id uuid        NOT NULL,
    joined_at  timestamptz NOT NULL,
    CONSTRAINT parking_plate_rejoin_pk PRIMARY KEY (event_id),
    CONSTRAINT parking_plate_rejoin_fk FOREIGN KEY (event_id) REFERENCES parking_plate_event (event_id)
);
CREATE INDEX parking_plate_rejoin_session ON parking_plate_rejoin (session_id);
CREATE TRIGGER parking_plate_rejoin_append_only BEFORE UPDATE OR DELETE ON parking_plate_rejoin
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER parking_plate_rejoin_no_truncate BEFORE TRUNCATE ON parking_plate_rejoin
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
GRANT SELECT, INSERT ON parking_plate_rejoin TO lienthong_app;
CREATE INDEX parking_stay_entered ON parking_stay (place_id, entered_at) WHERE NOT guest;
"""


def upgrade() -> None:
    op.execute(JOINS)


def downgrade() -> None:
    raise RuntimeError(
        "0028_parking_plate_joins tells which stay a reading belongs to: restore a backup instead"
    )
