"""What a stored-value card held before and after each proven tap: purse, file 05, and what was loaded."""

from alembic import op

revision = "0039_access_tap_held"
down_revision = "0038_parking_rate_proposal"
branch_labels = None
depends_on = None

# One row a record of a stored-value card that has a valid MAC, or had one if it was torn (`torn_tmv`). Evidence that
# came before this table has no row here, and so counts as unknown: it can make no case.
HELD = """
CREATE TABLE tap_held (
    card_id      uuid   NOT NULL,
    counter      bigint NOT NULL,
    tap_id       uuid   NOT NULL,
    device_id    uuid   NOT NULL,
    torn_tmv     bytea,
    purse_before bigint,
    purse_after  bigint,
    trips_before bytea,
    trips_after  bytea,
    loaded       bigint NOT NULL,
    action_id    uuid,
    CONSTRAINT tap_held_pk PRIMARY KEY (card_id, counter, tap_id),
    CONSTRAINT tap_held_purse CHECK ((purse_before IS NULL) = (purse_after IS NULL)),
    CONSTRAINT tap_held_trips CHECK ((trips_before IS NULL) = (trips_after IS NULL)),
    CONSTRAINT tap_held_loaded CHECK (loaded >= 0)
);
"""


def upgrade() -> None:
    op.execute(HELD)
    op.execute("GRANT SELECT, INSERT ON tap_held TO lienthong_app")
    op.execute(
        "CREATE TRIGGER tap_held_append_only BEFORE UPDATE OR DELETE ON tap_held"
        " FOR EACH ROW EXECUTE FUNCTION append_only()"
    )
    op.execute(
        "CREATE TRIGGER tap_held_no_truncate BEFORE TRUNCATE ON tap_held"
        " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )


def downgrade() -> None:
    msg = "0039_access_tap_held holds evidence: restore a backup instead of downgrading"
    raise RuntimeError(msg)
