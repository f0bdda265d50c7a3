"""Mandates: riders' standing permission to top up by itself, and each charge that was made of one."""

from alembic import op

revision = "0031_ledger_mandate"
down_revision = "0030_access_purse_action"
branch_labels = None
depends_on = None

MANDATES = """
CREATE TABLE ledger_mandate (
    fare_account_id uuid        NOT NULL,
    mandate_id      uuid        NOT NULL,
    provider        text        NOT NULL,
    token           text        NOT NULL,
    below           bigint      NOT NULL,
    amount          bigint      NOT NULL,
    a_month         bigint      NOT NULL,
    currency        text        NOT NULL,
    given_at        timestamptz NOT NULL,
    state           text        NOT NULL,
    failures        integer     NOT NULL,
    changed_at      timestamptz NOT NULL,
    CONSTRAINT ledger_mandate_pk PRIMARY KEY (fare_account_id, mandate_id),
    CONSTRAINT ledger_mandate_state CHECK (state IN ('active', 'paused', 'revoked')),
    CONSTRAINT ledger_mandate_terms CHECK (below > 0 AND amount > 0 AND a_month >= amount AND token <> ''),
    CONSTRAINT ledger_mandate_failures CHECK (failures >= 0)
);
CREATE INDEX ledger_mandate_active ON ledger_mandate (fare_account_id, mandate_id) WHERE state = 'active';
CREATE TABLE ledger_mandate_charge (
    fare_account_id uuid        NOT NULL,
    mandate_id      uuid        NOT NULL,
    charge_no       integer     NOT NULL,
    intent_id       uuid        NOT NULL,
    amount          bigint      NOT NULL,
    outcome         text        NOT NULL,
    made_at         timestamptz NOT NULL,
    handed_at       timestamptz,
    ended_at        timestamptz,
    CONSTRAINT ledger_mandate_charge_pk PRIMARY KEY (fare_account_id, mandate_id, charge_no),
    CONSTRAINT ledger_mandate_charge_of FOREIGN KEY (fare_account_id, mandate_id)
        REFERENCES ledger_mandate (fare_account_id, mandate_id),
    CONSTRAINT ledger_mandate_charge_outcome CHECK (outcome IN ('open', 'paid', 'failed')),
    CONSTRAINT ledger_mandate_charge_ended CHECK ((outcome = 'open') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX ledger_mandate_charge_one ON ledger_mandate_charge (fare_account_id, mandate_id)
    WHERE outcome = 'open';
CREATE INDEX ledger_mandate_charge_waiting ON ledger_mandate_charge (made_at)
    WHERE handed_at IS NULL AND outcome = 'open';
CREATE INDEX ledger_mandate_charge_failed ON ledger_mandate_charge (ended_at) WHERE outcome = 'failed';
GRANT SELECT, INSERT ON ledger_mandate, ledger_mandate_charge TO lienthong_app;
GRANT UPDATE (state, failures, changed_at) ON ledger_mandate TO lienthong_app;
GRANT UPDATE (outcome, handed_at, ended_at) ON ledger_mandate_charge TO lienthong_app;
"""


def upgrade() -> None:
    op.execute(MANDATES)


def downgrade() -> None:
    raise RuntimeError(
        "0031_ledger_mandate holds what riders signed: restore a backup instead of downgrading"
    )
