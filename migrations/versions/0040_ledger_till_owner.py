"""A car park's till is an operator's: nobody else opens a shift at it, takes cash there, or has a till of its name."""

from alembic import op

revision = "0040_ledger_till_owner"
down_revision = "0039_access_tap_held"
branch_labels = None
depends_on = None

# Local: some hundred tills. A name is in this table or in ledger_till, never in both: the till's lock says so.
OWNERS = """
CREATE TABLE ledger_operator_till (
    till        text        NOT NULL,
    operator_id text        NOT NULL,
    added_by    text        NOT NULL,
    added_at    timestamptz NOT NULL,
    CONSTRAINT ledger_operator_till_pk PRIMARY KEY (till),
    CONSTRAINT ledger_operator_till_owner CHECK (operator_id <> '')
);
GRANT SELECT, INSERT ON ledger_operator_till TO lienthong_app;
CREATE TRIGGER ledger_operator_till_append_only BEFORE UPDATE OR DELETE ON ledger_operator_till
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_operator_till_no_truncate BEFORE TRUNCATE ON ledger_operator_till
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
"""

# Tills were named as they were used: each is the first operator's who used it. One that a second used too, or that is
# a conductor's, a kiosk's or a station's, gets another name with the next shift there.
USED = """
INSERT INTO ledger_operator_till (till, operator_id, added_by, added_at)
SELECT DISTINCT ON (till) till, operator_id, actor, at FROM (
    SELECT till, operator_id, opened_by, opened_at FROM parking_shift
    UNION ALL
    SELECT till, operator_id, actor, paid_at FROM parking_payment WHERE till <> ''
    UNION ALL
    SELECT till, operator_id, actor, assigned_at FROM parking_right WHERE till <> ''
) AS used (till, operator_id, actor, at)
WHERE till <> '' AND operator_id <> '' AND till NOT IN (SELECT till FROM ledger_till)
ORDER BY till, at, operator_id
"""


def upgrade() -> None:
    op.execute(OWNERS)
    op.execute(USED)


def downgrade() -> None:
    raise RuntimeError("0040_ledger_till_owner says whose cash lies where: restore a backup instead")
