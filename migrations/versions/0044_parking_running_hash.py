"""A plate check probes some 620 neighbours of what was typed: by a hash index each probe reads two pages, not four."""

from alembic import op

revision = "0044_parking_running_hash"
down_revision = "0043_access_tap_prior"
branch_labels = None
depends_on = None

# The subjects are keyed hashes themselves, looked up whole: they have no order that anybody asks for.
HASHED = """
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX parking_stay_key_running_subject ON parking_stay_key USING hash (subject) WHERE running;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX parking_stay_key_subject;
"""


def upgrade() -> None:
    op.execute(HASHED)


def downgrade() -> None:
    op.execute("CREATE INDEX parking_stay_key_subject ON parking_stay_key (subject) WHERE running")
    op.execute("DROP INDEX parking_stay_key_running_subject")
