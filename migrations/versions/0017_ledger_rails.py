"""Suspense: how somebody proposes to end a row, so that another person can approve it."""

from alembic import op

revision = "0017_ledger_rails"
down_revision = "0016_parking_operators"
branch_labels = None
depends_on = None

# A local table: the queue is for people.
PROPOSALS = """
CREATE TABLE ledger_suspense_proposal (
    suspense_id     uuid        NOT NULL,
    proposal_no     integer     NOT NULL,
    resolution      text        NOT NULL,
    fare_account_id uuid,
    note            text        NOT NULL,
    actor           text        NOT NULL,
    proposed_at     timestamptz NOT NULL,
    CONSTRAINT ledger_suspense_proposal_pk PRIMARY KEY (suspense_id, proposal_no),
    CONSTRAINT ledger_suspense_proposal_fk FOREIGN KEY (suspense_id) REFERENCES ledger_suspense (suspense_id),
    CONSTRAINT ledger_suspense_proposal_resolution CHECK (resolution IN ('credited', 'sent_back', 'dismissed')),
    CONSTRAINT ledger_suspense_proposal_rider CHECK ((resolution = 'credited') = (fare_account_id IS NOT NULL))
);
CREATE TRIGGER ledger_suspense_proposal_append_only BEFORE UPDATE OR DELETE ON ledger_suspense_proposal
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_suspense_proposal_no_truncate BEFORE TRUNCATE ON ledger_suspense_proposal
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
GRANT SELECT, INSERT ON ledger_suspense_proposal TO lienthong_app;
"""


def upgrade() -> None:
    op.execute(PROPOSALS)


def downgrade() -> None:
    raise RuntimeError("0017_ledger_rails holds what people signed: restore a backup instead of downgrading")
