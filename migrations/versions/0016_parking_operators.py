"""What parking operators look up and take in: running sessions, observations, and what guests pay."""

from alembic import op

revision = "0016_parking_operators"
down_revision = "0015_parking_sessions"
branch_labels = None
depends_on = None

# A check knows the plate (and what is nearly it), not where it entered.
CHECKS = """
CREATE INDEX parking_stay_running_subject ON parking_stay (subject) WHERE running;
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

APPEND_ONLY = ("parking_observation", "parking_payment", "parking_payment_asked")


def upgrade() -> None:
    for part in (CHECKS, OBSERVATIONS, PAYMENTS):
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
