"""What parking operators look up and take in: sessions, observations, payments, shifts, tickets."""

from alembic import op

revision = "0016_parking_operators"
down_revision = "0015_parking_sessions"
branch_labels = None
depends_on = None

# A check knows the plate (and what is nearly it), not where it entered.
CHECKS = """
CREATE INDEX parking_stay_running_subject ON parking_stay (subject) WHERE running;
CREATE INDEX parking_stay_left ON parking_stay (place_id, left_at);
"""

# Local: evidence by officers, found by place and day. `subject` is a keyed hash; no plate is stored.
OBSERVATIONS = """
CREATE TABLE parking_observation (
    observation_id uuid        NOT NULL,
    place_id       text        NOT NULL,
    operator_id    text        NOT NULL,
    subject        uuid        NOT NULL,
    observed_at    timestamptz NOT NULL,
    verdict        text        NOT NULL,
    may_notify     boolean     NOT NULL,
    session_id     uuid,
    confidence_pct smallint    NOT NULL,
    image_ref      text        NOT NULL,
    note           text        NOT NULL,
    observed_by    text        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    CONSTRAINT parking_observation_pk PRIMARY KEY (observation_id),
    CONSTRAINT parking_observation_verdict CHECK (verdict IN
        ('paid', 'at_exit', 'elsewhere', 'expired', 'perhaps', 'nothing')),
    CONSTRAINT parking_observation_notify CHECK (NOT may_notify OR verdict IN ('expired', 'nothing')),
    CONSTRAINT parking_observation_confidence CHECK (confidence_pct BETWEEN 0 AND 100)
);
CREATE INDEX parking_observation_at ON parking_observation (place_id, observed_at);
"""

# Money that guests paid in (and were given back: negative), by what means and at whose till.
PAYMENTS = """
CREATE TABLE parking_payment (
    fare_account_id uuid        NOT NULL,
    payment_id      uuid        NOT NULL,
    stay_id         uuid        NOT NULL,
    place_id        text        NOT NULL,
    operator_id     text        NOT NULL,
    method          text        NOT NULL,
    amount_minor    bigint      NOT NULL,
    currency        char(3)     NOT NULL,
    till            text        NOT NULL,
    until_at        timestamptz,
    paid_at         timestamptz NOT NULL,
    actor           text        NOT NULL,
    CONSTRAINT parking_payment_pk PRIMARY KEY (fare_account_id, payment_id),
    CONSTRAINT parking_payment_method CHECK (method IN ('cash', 'cash_by_proxy', 'vietqr')),
    CONSTRAINT parking_payment_amount CHECK (amount_minor <> 0),
    CONSTRAINT parking_payment_till CHECK ((till = '') = (method = 'vietqr'))
);
CREATE INDEX parking_payment_till_at ON parking_payment (till, paid_at);
CREATE INDEX parking_payment_place_at ON parking_payment (place_id, paid_at);
CREATE TABLE parking_payment_asked (
    fare_account_id uuid        NOT NULL,
    intent_id       uuid        NOT NULL,
    stay_id         uuid        NOT NULL,
    until_at        timestamptz,
    asked_at        timestamptz NOT NULL,
    CONSTRAINT parking_payment_asked_pk PRIMARY KEY (fare_account_id, intent_id)
);
"""

# An attendant's shift is what its events make of it; the lock of its till orders them.
SHIFTS = """
CREATE TABLE parking_shift (
    shift_id    uuid        NOT NULL,
    place_id    text        NOT NULL,
    operator_id text        NOT NULL,
    till        text        NOT NULL,
    attendant   text        NOT NULL,
    float_minor bigint      NOT NULL,
    currency    char(3)     NOT NULL,
    opened_at   timestamptz NOT NULL,
    opened_by   text        NOT NULL,
    CONSTRAINT parking_shift_pk PRIMARY KEY (shift_id),
    CONSTRAINT parking_shift_float CHECK (float_minor >= 0)
);
CREATE INDEX parking_shift_at ON parking_shift (place_id, opened_at);
CREATE INDEX parking_shift_till ON parking_shift (till, opened_at);
CREATE TABLE parking_shift_event (
    shift_id     uuid        NOT NULL,
    event_no     smallint    NOT NULL,
    event_id     uuid        NOT NULL,
    kind         text        NOT NULL,
    amount_minor bigint,
    note         text        NOT NULL,
    at           timestamptz NOT NULL,
    actor        text        NOT NULL,
    CONSTRAINT parking_shift_event_pk PRIMARY KEY (shift_id, event_no),
    CONSTRAINT parking_shift_event_once UNIQUE (event_id),
    CONSTRAINT parking_shift_event_fk FOREIGN KEY (shift_id) REFERENCES parking_shift (shift_id),
    CONSTRAINT parking_shift_event_kind CHECK (kind IN ('dropped', 'counted', 'explained', 'closed')),
    CONSTRAINT parking_shift_event_amount CHECK
        ((amount_minor IS NOT NULL AND amount_minor >= 0) = (kind IN ('dropped', 'counted')))
);
"""

# Witnesses of the leakage meter: printed tickets, and turns that a gate, a camera or a person counted.
WITNESSES = """
CREATE TABLE parking_ticket (
    series      text        NOT NULL,
    number      bigint      NOT NULL,
    place_id    text        NOT NULL,
    operator_id text        NOT NULL,
    shift_id    uuid,
    issued_at   timestamptz NOT NULL,
    issued_by   text        NOT NULL,
    CONSTRAINT parking_ticket_pk PRIMARY KEY (series, number),
    CONSTRAINT parking_ticket_shift_fk FOREIGN KEY (shift_id) REFERENCES parking_shift (shift_id),
    CONSTRAINT parking_ticket_number CHECK (number >= 0)
);
CREATE INDEX parking_ticket_at ON parking_ticket (place_id, issued_at);
CREATE TABLE parking_ticket_end (
    series   text        NOT NULL,
    number   bigint      NOT NULL,
    kind     text        NOT NULL,
    note     text        NOT NULL,
    ended_at timestamptz NOT NULL,
    ended_by text        NOT NULL,
    CONSTRAINT parking_ticket_end_pk PRIMARY KEY (series, number),
    CONSTRAINT parking_ticket_end_fk FOREIGN KEY (series, number) REFERENCES parking_ticket (series, number),
    CONSTRAINT parking_ticket_end_kind CHECK (kind IN ('collected', 'voided')),
    CONSTRAINT parking_ticket_end_note CHECK (kind = 'collected' OR note <> '')
);
CREATE TABLE parking_count (
    count_id    uuid        NOT NULL,
    place_id    text        NOT NULL,
    operator_id text        NOT NULL,
    source      text        NOT NULL,
    turns       integer     NOT NULL,
    begun_at    timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    actor       text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT parking_count_pk PRIMARY KEY (count_id),
    CONSTRAINT parking_count_source CHECK (source IN ('gate', 'camera', 'present')),
    CONSTRAINT parking_count_turns CHECK (turns >= 0),
    CONSTRAINT parking_count_times CHECK (begun_at <= ended_at)
);
CREATE INDEX parking_count_at ON parking_count (place_id, begun_at);
"""

APPEND_ONLY = (
    "parking_observation",
    "parking_payment",
    "parking_payment_asked",
    "parking_shift",
    "parking_shift_event",
    "parking_ticket",
    "parking_ticket_end",
    "parking_count",
)


def upgrade() -> None:
    for part in (CHECKS, OBSERVATIONS, PAYMENTS, SHIFTS, WITNESSES):
        op.execute(part)
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
    raise RuntimeError("0016_parking_operators holds evidence: restore a backup instead of downgrading")
