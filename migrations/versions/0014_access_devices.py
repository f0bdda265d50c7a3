"""What devices say of themselves, the rotation of their keys, and how review cases end."""

from alembic import op

revision = "0014_access_devices"
down_revision = "0013_access_evidence"
branch_labels = None
depends_on = None

# The latest word of each device. A history of 1,440 rows a device and day would be monitoring's work, not ours.
HEARTBEAT = """
CREATE TABLE device_heartbeat (
    device_id        uuid        NOT NULL,
    received_at      timestamptz NOT NULL,
    said_at          timestamptz NOT NULL,
    key_id           bytea       NOT NULL,
    state            text        NOT NULL,
    why              text[]      NOT NULL,
    software         text        NOT NULL,
    journal_id       uuid,
    sequence         bigint      NOT NULL,
    unsent           bigint      NOT NULL,
    oldest_unsent_at timestamptz,
    bundle_version   bigint      NOT NULL,
    bundle_made_at   timestamptz,
    tariff_version   text        NOT NULL,
    deny_version     bigint      NOT NULL,
    action_version   bigint      NOT NULL,
    generations      smallint[]  NOT NULL,
    clock_state      text        NOT NULL,
    clock_offset_ms  bigint,
    taps             bigint      NOT NULL,
    torn             bigint      NOT NULL,
    own_p99_us       bigint,
    total_p99_us     bigint,
    fsync_us         bigint      NOT NULL,
    disk_mb          bigint      NOT NULL,
    paid_not_passed  bigint      NOT NULL,
    passed_unpaid    bigint      NOT NULL,
    CONSTRAINT device_heartbeat_pk PRIMARY KEY (device_id),
    CONSTRAINT device_heartbeat_device_fk FOREIGN KEY (device_id) REFERENCES device (device_id),
    CONSTRAINT device_heartbeat_counts CHECK (sequence >= 0 AND unsent >= 0 AND taps >= 0 AND torn >= 0)
);
"""


def upgrade() -> None:
    op.execute(HEARTBEAT)
    op.execute("GRANT SELECT, INSERT, UPDATE ON device_heartbeat TO lienthong_app")
    op.execute("ALTER TABLE device ADD COLUMN rotate_asked_at timestamptz")
    op.execute("GRANT UPDATE (rotate_asked_at) ON device TO lienthong_app")


def downgrade() -> None:
    op.execute("ALTER TABLE device DROP COLUMN rotate_asked_at")
    op.execute("DROP TABLE device_heartbeat")
