"""Grounds for benefits across businesses (park and ride), and what a changed one makes due."""

from alembic import op

revision = "0022_ledger_benefits"
down_revision = "0021_ledger_recon_numbers"
branch_labels = None
depends_on = None

# That something happened, never what it cost. The newest revision counts; one that is so no longer says so.
GROUNDS = """
CREATE TABLE benefit_ground (
    fare_account_id uuid        NOT NULL,
    kind            text        NOT NULL,
    ref             uuid        NOT NULL,
    revision        integer     NOT NULL,
    holds           boolean     NOT NULL,
    medium          uuid,
    since           timestamptz NOT NULL,
    until_at        timestamptz,
    words           text[]      NOT NULL,
    told_at         timestamptz NOT NULL,
    CONSTRAINT benefit_ground_pk PRIMARY KEY (fare_account_id, kind, ref, revision),
    CONSTRAINT benefit_ground_kind CHECK (kind IN ('stay', 'right', 'ride')),
    CONSTRAINT benefit_ground_ends CHECK (until_at IS NULL OR until_at >= since),
    CONSTRAINT benefit_ground_revision CHECK (revision >= 1)
);
CREATE TRIGGER benefit_ground_append_only BEFORE UPDATE OR DELETE ON benefit_ground
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER benefit_ground_no_truncate BEFORE TRUNCATE ON benefit_ground
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
GRANT SELECT, INSERT ON benefit_ground TO lienthong_app;
"""

# A queue: a row goes when the bills that it may change have been made anew, in the same transaction.
DUES = """
CREATE TABLE benefit_due (
    fare_account_id uuid        NOT NULL,
    due_id          uuid        NOT NULL,
    kind            text        NOT NULL,
    since           timestamptz NOT NULL,
    until_at        timestamptz,
    told_at         timestamptz NOT NULL,
    CONSTRAINT benefit_due_pk PRIMARY KEY (fare_account_id, due_id),
    CONSTRAINT benefit_due_kind CHECK (kind IN ('stay', 'right', 'ride'))
);
GRANT SELECT, INSERT, DELETE ON benefit_due TO lienthong_app;
"""


def upgrade() -> None:
    op.execute(GROUNDS)
    op.execute(DUES)


def downgrade() -> None:
    raise RuntimeError("0022_ledger_benefits tells why bills are discounted: restore a backup instead")
