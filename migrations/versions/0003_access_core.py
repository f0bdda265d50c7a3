"""Devices, cards, tap evidence, deny list, review cases and the exception queue."""

from alembic import op

revision = "0003_access_core"
down_revision = "0002_ledger_core"
branch_labels = None
depends_on = None

# Local tables: one row a device or a journal, never distributed.
DEVICES = """
CREATE TABLE device (
    device_id   uuid        NOT NULL,
    name        text        NOT NULL,
    kind        text        NOT NULL,
    operator_id text        NOT NULL,
    place       text        NOT NULL DEFAULT '',
    state       text        NOT NULL,
    box_key     bytea       NOT NULL,
    enrolled_at timestamptz NOT NULL,
    CONSTRAINT device_pk PRIMARY KEY (device_id),
    CONSTRAINT device_kind_known CHECK (kind IN ('bus', 'metro', 'parking', 'inspector')),
    CONSTRAINT device_state_known CHECK (state IN ('pending', 'active', 'suspended', 'retired')),
    CONSTRAINT device_box_key_length CHECK (octet_length(box_key) = 32)
);
CREATE TABLE device_key (
    key_id     bytea       NOT NULL,
    device_id  uuid        NOT NULL,
    public_key bytea       NOT NULL,
    added_at   timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT device_key_pk PRIMARY KEY (key_id),
    CONSTRAINT device_key_device_fk FOREIGN KEY (device_id) REFERENCES device (device_id),
    CONSTRAINT device_key_id_length CHECK (octet_length(key_id) = 8),
    CONSTRAINT device_key_length CHECK (octet_length(public_key) = 32)
);
CREATE INDEX device_key_device ON device_key (device_id);
CREATE TABLE device_event (
    device_id uuid        NOT NULL,
    event_id  uuid        NOT NULL,
    event     text        NOT NULL,
    reason    text        NOT NULL,
    actor     text        NOT NULL,
    at        timestamptz NOT NULL,
    CONSTRAINT device_event_pk PRIMARY KEY (device_id, event_id),
    CONSTRAINT device_event_device_fk FOREIGN KEY (device_id) REFERENCES device (device_id)
);
CREATE TABLE device_code (
    code_hash   bytea       NOT NULL,
    name        text        NOT NULL,
    kind        text        NOT NULL,
    operator_id text        NOT NULL,
    place       text        NOT NULL DEFAULT '',
    approved    boolean     NOT NULL,
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    device_id   uuid,
    CONSTRAINT device_code_pk PRIMARY KEY (code_hash),
    CONSTRAINT device_code_device_fk FOREIGN KEY (device_id) REFERENCES device (device_id),
    CONSTRAINT device_code_hash_length CHECK (octet_length(code_hash) = 32),
    CONSTRAINT device_code_ends CHECK (expires_at > created_at),
    CONSTRAINT device_code_used CHECK ((used_at IS NULL) = (device_id IS NULL))
);
CREATE TABLE device_head (
    device_id  uuid        NOT NULL,
    journal_id uuid        NOT NULL,
    sequence   bigint      NOT NULL,
    hash       bytea       NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT device_head_pk PRIMARY KEY (device_id, journal_id),
    CONSTRAINT device_head_device_fk FOREIGN KEY (device_id) REFERENCES device (device_id),
    CONSTRAINT device_head_sequence CHECK (sequence >= 0),
    CONSTRAINT device_head_hash_length CHECK (octet_length(hash) = 32)
);
CREATE TABLE device_unchained (
    device_id     uuid   NOT NULL,
    journal_id    uuid   NOT NULL,
    sequence      bigint NOT NULL,
    hash          bytea  NOT NULL,
    previous_hash bytea,
    CONSTRAINT device_unchained_pk PRIMARY KEY (device_id, journal_id, sequence),
    CONSTRAINT device_unchained_sequence CHECK (sequence >= 1),
    CONSTRAINT device_unchained_lengths CHECK (octet_length(hash) = 32 AND octet_length(previous_hash) = 32)
);
"""

# `data_key` is what erasure erases: with its key gone, a person's sealed evidence is noise and its hashes still hold.
CARDS = """
CREATE SEQUENCE card_serial AS bigint MINVALUE 1 MAXVALUE 134217727;
CREATE TABLE data_key (
    owner_id   uuid        NOT NULL,
    wrapped    bytea,
    created_at timestamptz NOT NULL,
    erased_at  timestamptz,
    CONSTRAINT data_key_pk PRIMARY KEY (owner_id),
    CONSTRAINT data_key_gone CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);
CREATE TABLE fare_account (
    fare_account_id uuid        NOT NULL,
    opened_at       timestamptz NOT NULL,
    row_version     bigint      NOT NULL DEFAULT 1,
    CONSTRAINT fare_account_pk PRIMARY KEY (fare_account_id),
    CONSTRAINT fare_account_version CHECK (row_version >= 1)
) WITH (fillfactor = 80);
CREATE TABLE card (
    card_id         uuid        NOT NULL,
    fare_account_id uuid        NOT NULL,
    uid_hash        bytea       NOT NULL,
    serial          bigint      NOT NULL,
    key_generation  smallint    NOT NULL,
    concession      smallint    NOT NULL,
    operator_id     text        NOT NULL DEFAULT '',
    expires_on      date        NOT NULL,
    state           text        NOT NULL,
    issued_at       timestamptz NOT NULL,
    CONSTRAINT card_pk PRIMARY KEY (card_id),
    CONSTRAINT card_uid_unique UNIQUE (uid_hash),
    CONSTRAINT card_serial_unique UNIQUE (serial),
    CONSTRAINT card_account_fk FOREIGN KEY (fare_account_id) REFERENCES fare_account (fare_account_id),
    CONSTRAINT card_uid_hash_length CHECK (octet_length(uid_hash) = 32),
    CONSTRAINT card_serial_range CHECK (serial BETWEEN 1 AND 134217727),
    CONSTRAINT card_state_known CHECK (state IN ('active', 'blocked', 'lost', 'replaced', 'retired'))
);
CREATE INDEX card_account ON card (fare_account_id);
CREATE TABLE card_event (
    card_id  uuid        NOT NULL,
    event_id uuid        NOT NULL,
    event    text        NOT NULL,
    reason   text        NOT NULL,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL,
    CONSTRAINT card_event_pk PRIMARY KEY (card_id, event_id),
    CONSTRAINT card_event_card_fk FOREIGN KEY (card_id) REFERENCES card (card_id)
);
"""

# The clear columns are what pricing and settlement read; UID, MAC and everything else stand in `sealed`.
EVIDENCE = """
CREATE TABLE tap (
    card_id        uuid        NOT NULL,
    tap_day        date        NOT NULL,
    tap_id         uuid        NOT NULL,
    device_id      uuid        NOT NULL,
    journal_id     uuid        NOT NULL,
    sequence       bigint      NOT NULL,
    record_hash    bytea       NOT NULL,
    counter        bigint      NOT NULL,
    tapped_at      timestamptz NOT NULL,
    received_at    timestamptz NOT NULL,
    clock_state    smallint    NOT NULL,
    purpose        smallint    NOT NULL,
    phase          smallint    NOT NULL,
    operator_id    text        NOT NULL,
    place          text        NOT NULL,
    stop_id        text        NOT NULL,
    route_id       text        NOT NULL,
    trip_id        text        NOT NULL,
    direction      smallint    NOT NULL,
    vehicle_class  text        NOT NULL,
    concession     smallint    NOT NULL,
    tariff_version text        NOT NULL,
    mac_valid      boolean     NOT NULL,
    exception      text        NOT NULL,
    sealed_under   uuid        NOT NULL,
    sealed         bytea       NOT NULL,
    CONSTRAINT tap_pk PRIMARY KEY (card_id, tap_day, tap_id),
    CONSTRAINT tap_hash_length CHECK (octet_length(record_hash) = 32),
    CONSTRAINT tap_sequence CHECK (sequence >= 1),
    CONSTRAINT tap_proof CHECK (NOT mac_valid OR phase IN (1, 3))
) PARTITION BY RANGE (tap_day);
CREATE INDEX tap_journal ON tap (device_id, journal_id, sequence);
CREATE TABLE tap_default PARTITION OF tap DEFAULT;
CREATE TABLE tap_claim (
    card_id         uuid        NOT NULL,
    counter         bigint      NOT NULL,
    tap_id          uuid        NOT NULL,
    tapped_at       timestamptz NOT NULL,
    device_id       uuid        NOT NULL,
    tmv             bytea       NOT NULL,
    prior_tmv       bytea       NOT NULL,
    previous_reader uuid        NOT NULL,
    CONSTRAINT tap_claim_pk PRIMARY KEY (card_id, counter, tap_id),
    CONSTRAINT tap_claim_counter CHECK (counter >= 1)
);
CREATE TABLE tap_torn (
    card_id   uuid        NOT NULL,
    counter   bigint      NOT NULL,
    tap_id    uuid        NOT NULL,
    tapped_at timestamptz NOT NULL,
    device_id uuid        NOT NULL,
    tmv       bytea       NOT NULL,
    CONSTRAINT tap_torn_pk PRIMARY KEY (card_id, counter, tap_id)
);
CREATE TABLE tap_aside (
    device_id    uuid        NOT NULL,
    journal_id   uuid        NOT NULL,
    sequence     bigint      NOT NULL,
    record_hash  bytea       NOT NULL,
    reason       text        NOT NULL,
    received_at  timestamptz NOT NULL,
    sealed_under uuid        NOT NULL,
    sealed       bytea       NOT NULL,
    CONSTRAINT tap_aside_pk PRIMARY KEY (device_id, journal_id, sequence, record_hash, reason),
    CONSTRAINT tap_aside_hash_length CHECK (octet_length(record_hash) = 32)
);
"""

REVIEW = """
CREATE TABLE deny_change (
    change_no bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    serial    bigint      NOT NULL,
    reason    text        NOT NULL,
    denied    boolean     NOT NULL,
    cause     text        NOT NULL,
    at        timestamptz NOT NULL,
    version   bigint,
    CONSTRAINT deny_change_pk PRIMARY KEY (change_no),
    CONSTRAINT deny_change_version CHECK (version >= 1)
);
CREATE INDEX deny_change_serial ON deny_change (serial, reason, change_no);
CREATE INDEX deny_change_version_no ON deny_change (version);
CREATE INDEX deny_change_unpublished ON deny_change (change_no) WHERE version IS NULL;
CREATE TABLE review_case (
    case_id   uuid        NOT NULL,
    kind      text        NOT NULL,
    subject   text        NOT NULL,
    card_id   uuid,
    device_id uuid,
    detail    jsonb       NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_by text,
    outcome   text,
    CONSTRAINT review_case_pk PRIMARY KEY (case_id),
    CONSTRAINT review_case_closed CHECK ((closed_at IS NULL) = (closed_by IS NULL)
        AND (closed_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX review_case_open ON review_case (kind, subject) WHERE closed_at IS NULL;
CREATE TABLE case_evidence (
    case_id     uuid        NOT NULL,
    evidence    text        NOT NULL,
    device_id   uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT case_evidence_pk PRIMARY KEY (case_id, evidence),
    CONSTRAINT case_evidence_case_fk FOREIGN KEY (case_id) REFERENCES review_case (case_id)
);
CREATE TABLE exception_queue (
    exception_id    uuid        NOT NULL,
    house           text        NOT NULL,
    reason          text        NOT NULL,
    ref             text        NOT NULL,
    fare_account_id uuid,
    service_day     date,
    detail          jsonb       NOT NULL,
    raised_at       timestamptz NOT NULL,
    assigned_to     text,
    resolved_at     timestamptz,
    resolved_by     text,
    resolution      text,
    CONSTRAINT exception_queue_pk PRIMARY KEY (exception_id),
    CONSTRAINT exception_queue_house CHECK (house IN ('access', 'ledger', 'fare', 'parking')),
    CONSTRAINT exception_queue_resolved CHECK ((resolved_at IS NULL) = (resolved_by IS NULL)
        AND (resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX exception_queue_open ON exception_queue (house, reason, ref) WHERE resolved_at IS NULL;
CREATE INDEX exception_queue_day ON exception_queue (fare_account_id, service_day) WHERE resolved_at IS NULL;
CREATE INDEX exception_queue_age ON exception_queue (raised_at) WHERE resolved_at IS NULL;
"""

# Row triggers reach every partition; a TRUNCATE trigger only the table it names, hence the default's own.
NO_TRUNCATE = ("tap_default",)
APPEND_ONLY = (
    "device_event",
    "card_event",
    "tap",
    "tap_claim",
    "tap_torn",
    "tap_aside",
    "case_evidence",
)
GRANTS = {
    "device": "SELECT, INSERT, UPDATE (state)",
    "device_key": "SELECT, INSERT, UPDATE (revoked_at)",
    "device_code": "SELECT, INSERT, UPDATE (used_at, device_id)",
    "device_head": "SELECT, INSERT, UPDATE (sequence, hash, changed_at)",
    "device_unchained": "SELECT, INSERT, DELETE",
    "data_key": "SELECT, INSERT, UPDATE (wrapped, erased_at)",
    "fare_account": "SELECT, INSERT, UPDATE (row_version)",
    "card": "SELECT, INSERT, UPDATE (state)",
    "deny_change": "SELECT, INSERT, UPDATE (version)",
    "review_case": "SELECT, INSERT, UPDATE (closed_at, closed_by, outcome)",
    "exception_queue": "SELECT, INSERT, UPDATE (assigned_to, resolved_at, resolved_by, resolution)",
}


def upgrade() -> None:
    for part in (DEVICES, CARDS, EVIDENCE, REVIEW):
        op.execute(part)
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
    for table in (*APPEND_ONLY, *NO_TRUNCATE):
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    for table, rights in GRANTS.items():
        op.execute(f"GRANT {rights} ON {table} TO lienthong_app")
    op.execute("GRANT USAGE ON SEQUENCE card_serial TO lienthong_app")


def downgrade() -> None:
    msg = "0003_access_core holds signed evidence: restore a backup instead of downgrading"
    raise RuntimeError(msg)
