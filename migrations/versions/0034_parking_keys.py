"""On which day a stay and an event lie: what is looked up by anything but its day reads one partition, not each."""

from alembic import op

revision = "0034_parking_keys"
down_revision = "0033_ledger_recon_open"
branch_labels = None
depends_on = None

# Narrow and not partitioned: a gate knows an account, a place, a plate or an id, and after a year PostgreSQL plans
# and locks 365 partitions for each statement that names no day (2 s for one guest; here 30 ms). Written by triggers,
# so that a release that does not know these tables keeps them whole too.
STAYS = """
CREATE TABLE parking_stay_key (
    fare_account_id uuid        NOT NULL,
    stay_id         uuid        NOT NULL,
    stay_day        date        NOT NULL,
    subject         uuid        NOT NULL,
    place_id        text        NOT NULL,
    first_at        timestamptz NOT NULL,
    last_at         timestamptz NOT NULL,
    running         boolean     NOT NULL,
    held_until      timestamptz,
    paid_until      timestamptz,
    CONSTRAINT parking_stay_key_pk PRIMARY KEY (fare_account_id, stay_id)
);
CREATE INDEX parking_stay_key_id ON parking_stay_key (stay_id);
CREATE INDEX parking_stay_key_place ON parking_stay_key (place_id, last_at);
CREATE INDEX parking_stay_key_running ON parking_stay_key (place_id) WHERE running;
CREATE INDEX parking_stay_key_subject ON parking_stay_key (subject) WHERE running;
CREATE INDEX parking_stay_key_held ON parking_stay_key (place_id, held_until) WHERE held_until IS NOT NULL;
CREATE INDEX parking_stay_key_paid ON parking_stay_key (paid_until) WHERE running AND paid_until IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON parking_stay_key TO lienthong_app;
CREATE FUNCTION parking_stay_keyed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO parking_stay_key (fare_account_id, stay_id, stay_day, subject, place_id, first_at, last_at, running,
        held_until, paid_until)
    SELECT fare_account_id, stay_id, stay_day, subject, place_id, first_at, last_at, running, held_until, paid_until
    FROM fresh
    ON CONFLICT (fare_account_id, stay_id) DO UPDATE SET stay_day = excluded.stay_day, subject = excluded.subject,
        place_id = excluded.place_id, first_at = excluded.first_at, last_at = excluded.last_at,
        running = excluded.running, held_until = excluded.held_until, paid_until = excluded.paid_until;
    RETURN NULL;
END $$;
CREATE TRIGGER parking_stay_keyed_new AFTER INSERT ON parking_stay REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION parking_stay_keyed();
CREATE TRIGGER parking_stay_keyed_changed AFTER UPDATE ON parking_stay REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION parking_stay_keyed();
INSERT INTO parking_stay_key (fare_account_id, stay_id, stay_day, subject, place_id, first_at, last_at, running,
    held_until, paid_until)
SELECT fare_account_id, stay_id, stay_day, subject, place_id, first_at, last_at, running, held_until, paid_until
FROM parking_stay;
"""

EVENTS = """
CREATE TABLE parking_event_key (
    fare_account_id uuid        NOT NULL,
    event_id        uuid        NOT NULL,
    event_day       date        NOT NULL,
    at              timestamptz NOT NULL,
    CONSTRAINT parking_event_key_pk PRIMARY KEY (fare_account_id, event_id, event_day)
);
CREATE INDEX parking_event_key_id ON parking_event_key (event_id);
GRANT SELECT, INSERT ON parking_event_key TO lienthong_app;
CREATE FUNCTION parking_event_keyed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO parking_event_key (fare_account_id, event_id, event_day, at)
    SELECT fare_account_id, event_id, event_day, at FROM fresh;
    RETURN NULL;
END $$;
CREATE TRIGGER parking_event_keyed_new AFTER INSERT ON parking_event REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION parking_event_keyed();
INSERT INTO parking_event_key (fare_account_id, event_id, event_day, at)
SELECT fare_account_id, event_id, event_day, at FROM parking_event;
CREATE TRIGGER parking_event_key_append_only BEFORE UPDATE OR DELETE ON parking_event_key
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER parking_event_key_no_truncate BEFORE TRUNCATE ON parking_event_key
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
"""


def upgrade() -> None:
    op.execute(STAYS)
    op.execute(EVENTS)


def downgrade() -> None:
    op.execute("DROP TRIGGER parking_stay_keyed_new ON parking_stay")
    op.execute("DROP TRIGGER parking_stay_keyed_changed ON parking_stay")
    op.execute("DROP TRIGGER parking_event_keyed_new ON parking_event")
    op.execute("DROP FUNCTION parking_stay_keyed")
    op.execute("DROP FUNCTION parking_event_keyed")
    op.execute("DROP TABLE parking_stay_key")
    op.execute("DROP TABLE parking_event_key")
