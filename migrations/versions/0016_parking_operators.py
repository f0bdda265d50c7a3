"""What parking operators look up and hand in: running sessions by what parks, and officers' observations."""

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


def upgrade() -> None:
    op.execute(CHECKS)
    op.execute(OBSERVATIONS)
    op.execute("GRANT SELECT, INSERT ON parking_observation TO lienthong_app")
    op.execute(
        "CREATE TRIGGER parking_observation_append_only BEFORE UPDATE OR DELETE ON parking_observation "
        "FOR EACH ROW EXECUTE FUNCTION append_only()"
    )
    op.execute(
        "CREATE TRIGGER parking_observation_no_truncate BEFORE TRUNCATE ON parking_observation "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )


def downgrade() -> None:
    raise RuntimeError("0016_parking_operators holds evidence: restore a backup instead of downgrading")
