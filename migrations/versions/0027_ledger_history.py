"""Each seal signs a Merkle root over the heads before it: a later seal shows in O(log n) that it extends a kept one."""

from alembic import op

revision = "0027_ledger_history"
down_revision = "0026_ledger_settle"
branch_labels = None
depends_on = None

# Seals from before stay as they were signed, with no history; the next one's covers their heads too.
HISTORY = """
ALTER TABLE ledger_seal ADD COLUMN history bytea;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE ledger_seal ADD CONSTRAINT ledger_seal_history CHECK (octet_length(history) = 32);
"""


def upgrade() -> None:
    op.execute(HISTORY)


def downgrade() -> None:
    raise RuntimeError("0027_ledger_history holds what seals sign: restore a backup instead of downgrading")
