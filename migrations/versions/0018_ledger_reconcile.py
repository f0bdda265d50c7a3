"""Reconciliation: bank and provider files, the items of three sides, their matches, exceptions and bookings."""

from alembic import op

revision = "0018_ledger_reconcile"
down_revision = "0017_ledger_rails"
branch_labels = None
depends_on = None

# All local tables, never distributed: they are about our bank accounts, not about riders.
FILES = """
CREATE TABLE ledger_bank_file (
    file_id     uuid        NOT NULL,
    name        text        NOT NULL,
    format      text        NOT NULL,
    version     text        NOT NULL,
    provider    text        NOT NULL,
    source      text        NOT NULL,
    bytes       bigint      NOT NULL,
    statements  integer     NOT NULL,
    entries     bigint      NOT NULL,
    status      text        NOT NULL,
    reason      text        NOT NULL,
    findings    jsonb       NOT NULL,
    received_at timestamptz NOT NULL,
    received_by text        NOT NULL,
    CONSTRAINT ledger_bank_file_pk PRIMARY KEY (file_id),
    CONSTRAINT ledger_bank_file_status CHECK (status IN ('accepted', 'quarantined')),
    CONSTRAINT ledger_bank_file_reason CHECK ((status = 'accepted') = (reason = ''))
);
CREATE TABLE ledger_bank_statement (
    statement_id uuid        NOT NULL,
    file_id      uuid        NOT NULL,
    number       integer     NOT NULL,
    account      text        NOT NULL,
    currency     text        NOT NULL,
    reference    text        NOT NULL,
    sequence     text        NOT NULL,
    page         text        NOT NULL,
    opening      bigint,
    closing      bigint,
    entries      bigint      NOT NULL,
    credits      bigint      NOT NULL,
    debits       bigint      NOT NULL,
    first_on     date,
    last_on      date,
    status       text        NOT NULL,
    reason       text        NOT NULL,
    received_at  timestamptz NOT NULL,
    CONSTRAINT ledger_bank_statement_pk PRIMARY KEY (statement_id),
    CONSTRAINT ledger_bank_statement_file_fk FOREIGN KEY (file_id) REFERENCES ledger_bank_file (file_id)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ledger_bank_statement_status CHECK (status IN ('accepted', 'repeated', 'quarantined')),
    CONSTRAINT ledger_bank_statement_balances CHECK
        (status <> 'accepted' OR opening + credits - debits = closing)
);
CREATE INDEX ledger_bank_statement_account ON ledger_bank_statement (account, last_on);
"""

# One row a movement on one of three sides, so that every rule of matching is one join of a table with itself.
# side: what we booked, what the provider lists, what the bank booked. pool: the clearing account it settles.
ITEMS = """
CREATE TABLE ledger_recon_item (
    item_id      uuid        NOT NULL,
    side         text        NOT NULL,
    pool         text        NOT NULL,
    source_id    uuid        NOT NULL,
    account      text        NOT NULL,
    amount       bigint      NOT NULL,
    fee          bigint      NOT NULL,
    currency     text        NOT NULL,
    occurred_on  date        NOT NULL,
    identity     text        NOT NULL,
    reference    text        NOT NULL,
    end_to_end   text        NOT NULL,
    qr_reference text        NOT NULL,
    payout       text        NOT NULL,
    folded       text        NOT NULL,
    reversal     boolean     NOT NULL,
    recorded_at  timestamptz NOT NULL,
    CONSTRAINT ledger_recon_item_pk PRIMARY KEY (item_id),
    CONSTRAINT ledger_recon_item_side CHECK (side IN ('ledger', 'provider', 'bank')),
    CONSTRAINT ledger_recon_item_fee CHECK (fee >= 0 OR side = 'bank')
);
CREATE INDEX ledger_recon_item_source ON ledger_recon_item (source_id);
CREATE INDEX ledger_recon_item_day ON ledger_recon_item (occurred_on, side);
CREATE INDEX ledger_recon_item_reference ON ledger_recon_item (reference) WHERE reference <> '';
CREATE INDEX ledger_recon_item_qr ON ledger_recon_item (qr_reference) WHERE qr_reference <> '';
-- One row an edge between two sides. Several edges with one end are a batched credit or a split payment.
CREATE TABLE ledger_recon_edge (
    relation text        NOT NULL,
    left_id  uuid        NOT NULL,
    right_id uuid        NOT NULL,
    rule     text        NOT NULL,
    match_id uuid        NOT NULL,
    made_at  timestamptz NOT NULL,
    live     boolean     NOT NULL DEFAULT true,
    CONSTRAINT ledger_recon_edge_pk PRIMARY KEY (relation, left_id, right_id, match_id),
    CONSTRAINT ledger_recon_edge_relation CHECK
        (relation IN ('ledger-bank', 'ledger-provider', 'provider-bank'))
);
CREATE INDEX ledger_recon_edge_right ON ledger_recon_edge (right_id, relation) WHERE live;
CREATE INDEX ledger_recon_edge_match ON ledger_recon_edge (match_id);
CREATE TABLE ledger_recon_hand (
    match_id uuid        NOT NULL,
    act      text        NOT NULL,
    note     text        NOT NULL,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL,
    CONSTRAINT ledger_recon_hand_pk PRIMARY KEY (match_id, act),
    CONSTRAINT ledger_recon_hand_act CHECK (act IN ('matched', 'undone'))
);
CREATE TABLE ledger_recon_tolerance (
    currency text   NOT NULL,
    minor    bigint NOT NULL,
    CONSTRAINT ledger_recon_tolerance_pk PRIMARY KEY (currency),
    CONSTRAINT ledger_recon_tolerance_minor CHECK (minor >= 0)
);
INSERT INTO ledger_recon_tolerance (currency, minor) VALUES ('VND', 0);
"""

QUEUE = """
CREATE TABLE ledger_recon_exception (
    exception_id uuid        NOT NULL,
    item_id      uuid        NOT NULL,
    side         text        NOT NULL,
    reason       text        NOT NULL,
    amount       bigint      NOT NULL,
    currency     text        NOT NULL,
    detail       text        NOT NULL,
    opened_at    timestamptz NOT NULL,
    assigned_to  text        NOT NULL DEFAULT '',
    CONSTRAINT ledger_recon_exception_pk PRIMARY KEY (exception_id)
);
CREATE INDEX ledger_recon_exception_item ON ledger_recon_exception (item_id);
CREATE TABLE ledger_recon_exception_end (
    exception_id uuid        NOT NULL,
    resolution   text        NOT NULL,
    entry_id     uuid,
    actor        text        NOT NULL,
    ended_at     timestamptz NOT NULL,
    CONSTRAINT ledger_recon_exception_end_pk PRIMARY KEY (exception_id),
    CONSTRAINT ledger_recon_exception_end_fk FOREIGN KEY (exception_id)
        REFERENCES ledger_recon_exception (exception_id)
);
CREATE TABLE ledger_recon_proposal (
    exception_id uuid        NOT NULL,
    proposal_no  integer     NOT NULL,
    resolution   text        NOT NULL,
    note         text        NOT NULL,
    actor        text        NOT NULL,
    at           timestamptz NOT NULL,
    CONSTRAINT ledger_recon_proposal_pk PRIMARY KEY (exception_id, proposal_no),
    CONSTRAINT ledger_recon_proposal_fk FOREIGN KEY (exception_id)
        REFERENCES ledger_recon_exception (exception_id),
    CONSTRAINT ledger_recon_proposal_resolution CHECK (resolution IN ('written_off', 'to_suspense'))
);
-- What was booked for the matches of a statement so far: the next booking is the difference to it.
CREATE TABLE ledger_recon_booking (
    source_id   uuid        NOT NULL,
    pool        text        NOT NULL,
    booking_no  integer     NOT NULL,
    net         bigint      NOT NULL,
    fee         bigint      NOT NULL,
    currency    text        NOT NULL,
    entry_owner_id uuid     NOT NULL,
    entry_id    uuid        NOT NULL,
    booked_at   timestamptz NOT NULL,
    CONSTRAINT ledger_recon_booking_pk PRIMARY KEY (source_id, pool, booking_no)
);
"""

APPEND_ONLY = (
    "ledger_bank_file",
    "ledger_bank_statement",
    "ledger_recon_item",
    "ledger_recon_hand",
    "ledger_recon_exception_end",
    "ledger_recon_proposal",
    "ledger_recon_booking",
)

RIGHTS = """
GRANT SELECT, INSERT ON ledger_bank_file, ledger_bank_statement, ledger_recon_item, ledger_recon_edge,
    ledger_recon_hand, ledger_recon_exception, ledger_recon_exception_end, ledger_recon_proposal,
    ledger_recon_booking TO lienthong_app;
GRANT SELECT ON ledger_recon_tolerance TO lienthong_app;
GRANT UPDATE (live) ON ledger_recon_edge TO lienthong_app;
GRANT UPDATE (assigned_to) ON ledger_recon_exception TO lienthong_app;
"""


def upgrade() -> None:
    for part in (FILES, ITEMS, QUEUE):
        op.execute(part)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    op.execute(RIGHTS)


def downgrade() -> None:
    raise RuntimeError("0018_ledger_reconcile holds bank statements: restore a backup instead of downgrading")
