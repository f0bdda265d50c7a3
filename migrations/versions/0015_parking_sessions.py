"""Until when a stay's space is held and its time is paid; rights to park, and companies' pools of spaces."""

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

# What somebody holds, by account (a card's, or one derived from a plate); a coupon names its stay. Facts: a right
# that ends early has a row that says so.
RIGHTS = """
CREATE TABLE parking_pool (
    pool_id     uuid        NOT NULL,
    place_id    text        NOT NULL,
    operator_id text        NOT NULL,
    name        text        NOT NULL,
    spaces      integer     NOT NULL,
    opened_at   timestamptz NOT NULL,
    opened_by   text        NOT NULL,
    CONSTRAINT parking_pool_pk PRIMARY KEY (pool_id),
    CONSTRAINT parking_pool_spaces CHECK (spaces > 0)
);
CREATE TABLE parking_right (
    fare_account_id uuid        NOT NULL,
    right_id        uuid        NOT NULL,
    spec_id         text        NOT NULL,
    rates_version   text        NOT NULL,
    place_id        text        NOT NULL,
    operator_id     text        NOT NULL,
    subject         uuid,
    stay_id         uuid,
    pool_id         uuid,
    valid_from      timestamptz NOT NULL,
    valid_to        timestamptz NOT NULL,
    price_minor     bigint      NOT NULL,
    currency        char(3)     NOT NULL,
    till            text        NOT NULL,
    assigned_at     timestamptz NOT NULL,
    actor           text        NOT NULL,
    CONSTRAINT parking_right_pk PRIMARY KEY (fare_account_id, right_id),
    CONSTRAINT parking_right_pool_fk FOREIGN KEY (pool_id) REFERENCES parking_pool (pool_id),
    CONSTRAINT parking_right_valid CHECK (valid_from < valid_to),
    CONSTRAINT parking_right_price CHECK (price_minor >= 0)
);
CREATE INDEX parking_right_subject ON parking_right (subject) WHERE subject IS NOT NULL;
CREATE INDEX parking_right_stay ON parking_right (stay_id) WHERE stay_id IS NOT NULL;
CREATE INDEX parking_right_pool ON parking_right (pool_id) WHERE pool_id IS NOT NULL;
CREATE TABLE parking_right_end (
    fare_account_id uuid        NOT NULL,
    right_id        uuid        NOT NULL,
    ended_at        timestamptz NOT NULL,
    refund_minor    bigint      NOT NULL,
    note            text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    actor           text        NOT NULL,
    CONSTRAINT parking_right_end_pk PRIMARY KEY (fare_account_id, right_id),
    CONSTRAINT parking_right_end_fk FOREIGN KEY (fare_account_id, right_id)
        REFERENCES parking_right (fare_account_id, right_id),
    CONSTRAINT parking_right_end_refund CHECK (refund_minor >= 0)
);
"""

# What a camera read at a gate: evidence, with the session that it was joined to. No plate and no picture is kept.
PLATES = """
CREATE TABLE parking_plate_event (
    event_id       uuid        NOT NULL,
    gate_id        text        NOT NULL,
    place_id       text        NOT NULL,
    operator_id    text        NOT NULL,
    subject        uuid        NOT NULL,
    direction      text        NOT NULL,
    at             timestamptz NOT NULL,
    confidence_pct smallint    NOT NULL,
    image_ref      text        NOT NULL,
    actor          text        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    CONSTRAINT parking_plate_event_pk PRIMARY KEY (event_id),
    CONSTRAINT parking_plate_event_direction CHECK (direction IN ('in', 'out')),
    CONSTRAINT parking_plate_event_confidence CHECK (confidence_pct BETWEEN 0 AND 100)
);
CREATE INDEX parking_plate_event_at ON parking_plate_event (place_id, at);
CREATE TABLE parking_plate_join (
    event_id   uuid        NOT NULL,
    subject    uuid        NOT NULL,
    session_id uuid        NOT NULL,
    how        text        NOT NULL,
    joined_at  timestamptz NOT NULL,
    CONSTRAINT parking_plate_join_pk PRIMARY KEY (event_id),
    CONSTRAINT parking_plate_join_fk FOREIGN KEY (event_id) REFERENCES parking_plate_event (event_id),
    CONSTRAINT parking_plate_join_how CHECK (how IN ('same', 'minor', 'began'))
);
CREATE INDEX parking_plate_join_session ON parking_plate_join (session_id);
"""

APPEND_ONLY = (
    "parking_plate_event",
    "parking_plate_join",
    "parking_pool",
    "parking_right",
    "parking_right_end",
)


def upgrade() -> None:
    op.execute(UNTIL)
    op.execute(RIGHTS)
    op.execute(PLATES)
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def downgrade() -> None:
    raise RuntimeError("0015_parking_sessions belongs to stays and their bills: restore a backup instead")
