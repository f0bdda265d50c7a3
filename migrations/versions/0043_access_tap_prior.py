"""What a tap that proves nothing itself read from the card's file 0F: it proves the torn tap before it."""

from alembic import op

revision = "0043_access_tap_prior"
down_revision = "0042_parking_paid_key"
branch_labels = None
depends_on = None

# A row a torn or refused tap whose card had committed before. Only the card makes a MAC value: whoever reports one has
# read it there. Evidence that came before this table has no row here, and waits for the card's next proven tap.
PRIOR = """
CREATE TABLE tap_prior (
    card_id uuid   NOT NULL,
    counter bigint NOT NULL,
    tap_id  uuid   NOT NULL,
    tmv     bytea  NOT NULL,
    CONSTRAINT tap_prior_pk PRIMARY KEY (card_id, counter, tap_id),
    CONSTRAINT tap_prior_counter CHECK (counter >= 1)
);
"""


def upgrade() -> None:
    op.execute(PRIOR)
    op.execute("GRANT SELECT, INSERT ON tap_prior TO lienthong_app")
    op.execute(
        "CREATE TRIGGER tap_prior_append_only BEFORE UPDATE OR DELETE ON tap_prior"
        " FOR EACH ROW EXECUTE FUNCTION append_only()"
    )
    op.execute(
        "CREATE TRIGGER tap_prior_no_truncate BEFORE TRUNCATE ON tap_prior"
        " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )


def downgrade() -> None:
    msg = "0043_access_tap_prior holds evidence: restore a backup instead of downgrading"
    raise RuntimeError(msg)
