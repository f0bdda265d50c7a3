"""FeliCa tokens are media too."""

from alembic import op

revision = "0032_access_felica"
down_revision = "0031_ledger_mandate"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NOT VALID as before: every row that is there has met the narrower check.
    op.execute(
        """
-- squawk-ignore ban-drop-constraint
ALTER TABLE card DROP CONSTRAINT card_kind_known;
ALTER TABLE card ADD CONSTRAINT card_kind_known
    CHECK (kind IN ('transit', 'virtual', 'qr', 'citizen', 'bank', 'felica')) NOT VALID;
"""
    )


def downgrade() -> None:
    op.execute(
        """
DO $$ BEGIN
    IF EXISTS (SELECT FROM card WHERE kind = 'felica') THEN
        RAISE EXCEPTION 'there are FeliCa tokens; this version does not know them';
    END IF;
END $$;
ALTER TABLE card DROP CONSTRAINT card_kind_known;
ALTER TABLE card ADD CONSTRAINT card_kind_known
    CHECK (kind IN ('transit', 'virtual', 'qr', 'citizen', 'bank')) NOT VALID;
"""
    )
