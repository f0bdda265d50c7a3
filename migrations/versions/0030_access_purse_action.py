"""Readers may be asked to load a card's purse: the action list knows it, and so does the table."""

from alembic import op

revision = "0030_access_purse_action"
down_revision = "0029_ledger_payout"
branch_labels = None
depends_on = None

# The new rule is wider: rows that stand need no look.
WIDER = "'load_pass', 'unblock', 're_key', 'load_purse'"
NARROWER = "'load_pass', 'unblock', 're_key'"


def _known(actions: str) -> None:
    op.execute(
        "-- squawk-ignore ban-drop-constraint\n"
        "ALTER TABLE card_action DROP CONSTRAINT card_action_known;\n"
        f"ALTER TABLE card_action ADD CONSTRAINT card_action_known CHECK (action IN ({actions})) NOT VALID"
    )


def upgrade() -> None:
    _known(WIDER)


def downgrade() -> None:
    _known(NARROWER)
