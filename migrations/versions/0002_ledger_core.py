"""The ledger: accounts, guarded balances, lines, roll-ups, holds, seals."""

from alembic import op

revision = "0002_ledger_core"
down_revision = "0001_service_staff"
branch_labels = None
depends_on = None

ACCOUNTS = """
CREATE TABLE ledger_account (
    owner_id   uuid        NOT NULL,
    account_id uuid        NOT NULL,
    kind       text        NOT NULL,
    type       text        NOT NULL,
    currency   text        NOT NULL,
    owner_kind text        NOT NULL,
    owner_name text        NOT NULL,
    guarded    boolean     NOT NULL,
    limit_minor bigint     NOT NULL,
    state      text        NOT NULL,
    opened_at  timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT ledger_account_pk PRIMARY KEY (owner_id, account_id),
    CONSTRAINT ledger_account_type CHECK (type IN ('asset', 'liability', 'income', 'expense', 'equity')),
    CONSTRAINT ledger_account_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ledger_account_owner_kind CHECK
        (owner_kind IN ('rider', 'operator', 'city', 'bank', 'provider', 'suspense')),
    CONSTRAINT ledger_account_limit CHECK (limit_minor >= 0 AND (guarded OR limit_minor = 0)),
    CONSTRAINT ledger_account_state CHECK (state IN ('open', 'frozen', 'closed'))
);
CREATE INDEX ledger_account_by_id ON ledger_account (account_id);
CREATE INDEX ledger_account_by_kind ON ledger_account (kind, account_id);
-- One row a guarded account, updated in place: the floor is a constraint, so no code path can pass it.
CREATE TABLE ledger_balance (
    owner_id   uuid     NOT NULL,
    account_id uuid     NOT NULL,
    kind       text     NOT NULL,
    currency   text     NOT NULL,
    normal     smallint NOT NULL,
    open       boolean  NOT NULL,
    posted     bigint   NOT NULL,
    pending    bigint   NOT NULL,
    floor      bigint   NOT NULL,
    version    bigint   NOT NULL,
    CONSTRAINT ledger_balance_pk PRIMARY KEY (owner_id, account_id),
    CONSTRAINT ledger_balance_account_fk FOREIGN KEY (owner_id, account_id)
        REFERENCES ledger_account (owner_id, account_id),
    CONSTRAINT ledger_balance_normal CHECK (normal IN (-1, 1)),
    CONSTRAINT ledger_balance_pending CHECK (pending >= 0),
    CONSTRAINT ledger_balance_floor CHECK (posted - pending >= floor)
) WITH (fillfactor = 70);
CREATE INDEX ledger_balance_by_id ON ledger_balance (account_id);
"""

# One row moves one positive amount from a debit to a credit account: books out of balance cannot be written.
# Fixed-width columns stand first, the order that `ledger/rules/row.py` hashes and copies.
LINES = """
CREATE TABLE ledger_line (
    owner_id     uuid        NOT NULL,
    entry_id     uuid        NOT NULL,
    debit_id     uuid        NOT NULL,
    credit_id    uuid        NOT NULL,
    amount       bigint      NOT NULL,
    effective_at timestamptz NOT NULL,
    posted_at    timestamptz NOT NULL,
    book_day     date        NOT NULL,
    service_day  date        NOT NULL,
    line_no      smallint    NOT NULL,
    line_count   smallint    NOT NULL,
    currency     text        NOT NULL,
    kind         text        NOT NULL,
    cause        text        NOT NULL,
    narrative    text        NOT NULL,
    metadata     text        NOT NULL,
    corrects     uuid,
    CONSTRAINT ledger_line_pk PRIMARY KEY (owner_id, entry_id, line_no, book_day),
    CONSTRAINT ledger_line_amount CHECK (amount > 0),
    CONSTRAINT ledger_line_two_accounts CHECK (debit_id <> credit_id),
    CONSTRAINT ledger_line_number CHECK (line_no BETWEEN 1 AND line_count)
) PARTITION BY RANGE (book_day);
CREATE TABLE ledger_line_default PARTITION OF ledger_line DEFAULT;
CREATE INDEX ledger_line_by_day ON ledger_line USING brin (book_day, posted_at);
-- An id that carries no time (version 8) says here on which day it was booked, so that a replay on a later
-- day finds it. Ids of version 7 need no row: their day is in the id.
CREATE TABLE ledger_derived (
    owner_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    book_day date NOT NULL,
    CONSTRAINT ledger_derived_pk PRIMARY KEY (owner_id, entry_id)
);
"""

# Append-only accounts have no balance row. Each connection adds to a row of its own (slot), so none is hot;
# the day's close folds them into one cumulative row an account.
ROLLUPS = """
CREATE TABLE ledger_rollup (
    owner_id    uuid     NOT NULL,
    account_id  uuid     NOT NULL,
    book_day    date     NOT NULL,
    service_day date     NOT NULL,
    slot        smallint NOT NULL,
    debits      numeric  NOT NULL,
    credits     numeric  NOT NULL,
    CONSTRAINT ledger_rollup_pk PRIMARY KEY (owner_id, account_id, book_day, service_day, slot),
    CONSTRAINT ledger_rollup_positive CHECK (debits >= 0 AND credits >= 0)
) WITH (fillfactor = 50);
CREATE TABLE ledger_control (
    kind     text     NOT NULL,
    currency text     NOT NULL,
    book_day date     NOT NULL,
    slot     smallint NOT NULL,
    debits   numeric  NOT NULL,
    credits  numeric  NOT NULL,
    CONSTRAINT ledger_control_pk PRIMARY KEY (kind, currency, book_day, slot),
    CONSTRAINT ledger_control_positive CHECK (debits >= 0 AND credits >= 0)
) WITH (fillfactor = 50);
CREATE TABLE ledger_closing (
    owner_id   uuid    NOT NULL,
    account_id uuid    NOT NULL,
    book_day   date    NOT NULL,
    debits     numeric NOT NULL,
    credits    numeric NOT NULL,
    CONSTRAINT ledger_closing_pk PRIMARY KEY (owner_id, account_id, book_day),
    CONSTRAINT ledger_closing_positive CHECK (debits >= 0 AND credits >= 0)
);
"""

HOLDS = """
CREATE TABLE ledger_hold (
    owner_id     uuid        NOT NULL,
    hold_id      uuid        NOT NULL,
    debit_id     uuid        NOT NULL,
    credit_id    uuid        NOT NULL,
    amount       bigint      NOT NULL,
    currency     text        NOT NULL,
    service_day  date        NOT NULL,
    kind         text        NOT NULL,
    cause        text        NOT NULL,
    narrative    text        NOT NULL,
    metadata     text        NOT NULL,
    placed_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    state        text        NOT NULL,
    ended_at     timestamptz,
    posted_minor bigint,
    entry_id     uuid,
    CONSTRAINT ledger_hold_pk PRIMARY KEY (owner_id, hold_id),
    CONSTRAINT ledger_hold_amount CHECK (amount > 0),
    CONSTRAINT ledger_hold_two_accounts CHECK (debit_id <> credit_id),
    CONSTRAINT ledger_hold_window CHECK (placed_at < expires_at),
    CONSTRAINT ledger_hold_state CHECK (state IN ('open', 'posted', 'voided', 'expired')),
    CONSTRAINT ledger_hold_end CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT ledger_hold_posted CHECK
        ((state = 'posted') = (posted_minor IS NOT NULL AND entry_id IS NOT NULL)),
    CONSTRAINT ledger_hold_part CHECK (posted_minor BETWEEN 1 AND amount)
);
CREATE INDEX ledger_hold_due ON ledger_hold (expires_at) WHERE state = 'open';
CREATE INDEX ledger_hold_open ON ledger_hold (owner_id, debit_id) WHERE state = 'open';
CREATE FUNCTION ledger_hold_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' OR NEW.state = 'open' THEN
        RAISE EXCEPTION 'hold % has ended', OLD.hold_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_hold_once BEFORE UPDATE ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_hold_guard();
"""

SEALS = """
CREATE TABLE ledger_seal_key (
    key_id     bytea       NOT NULL,
    public_key bytea       NOT NULL,
    added_at   timestamptz NOT NULL,
    CONSTRAINT ledger_seal_key_pk PRIMARY KEY (key_id),
    CONSTRAINT ledger_seal_key_length CHECK (octet_length(public_key) = 32 AND octet_length(key_id) = 8)
);
CREATE TABLE ledger_seal (
    book_day      date        NOT NULL,
    position      integer     NOT NULL,
    leaf_count    bigint      NOT NULL,
    root          bytea       NOT NULL,
    previous_head bytea       NOT NULL,
    head          bytea       NOT NULL,
    key_id        bytea       NOT NULL,
    signature     bytea       NOT NULL,
    sealed_at     timestamptz NOT NULL,
    CONSTRAINT ledger_seal_pk PRIMARY KEY (book_day),
    CONSTRAINT ledger_seal_position UNIQUE (position),
    CONSTRAINT ledger_seal_key_fk FOREIGN KEY (key_id) REFERENCES ledger_seal_key (key_id),
    CONSTRAINT ledger_seal_lengths CHECK (octet_length(root) = 32 AND octet_length(previous_head) = 32
        AND octet_length(head) = 32 AND octet_length(signature) = 64 AND leaf_count >= 0 AND position >= 1)
);
-- Keys and leaf hashes of 1,024 lines a row: what proves one line in O(log n) and names a line that changed.
CREATE TABLE ledger_seal_chunk (
    book_day date    NOT NULL,
    chunk_no integer NOT NULL,
    leaves   bytea   NOT NULL,
    root     bytea   NOT NULL,
    CONSTRAINT ledger_seal_chunk_pk PRIMARY KEY (book_day, chunk_no),
    CONSTRAINT ledger_seal_chunk_day_fk FOREIGN KEY (book_day) REFERENCES ledger_seal (book_day),
    CONSTRAINT ledger_seal_chunk_lengths CHECK
        (octet_length(leaves) % 66 = 0 AND octet_length(leaves) > 0 AND octet_length(root) = 32)
);
ALTER TABLE ledger_seal_chunk ALTER COLUMN leaves SET STORAGE EXTERNAL;
"""

# Posters share a book day, its close takes it alone. Two statements, so that the second one's snapshot is
# taken after the wait for a close that was under way.
SHARE = """
CREATE FUNCTION ledger_share_days(days integer[]) RETURNS date LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    closed_through date;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1279607889, day) FROM unnest(days) AS day;
    PERFORM pg_advisory_xact_lock_shared(1279607890, 0);
    -- No book day lies before 2020: the first close ever then locks a known range.
    SELECT coalesce(max(book_day), DATE '2019-12-31') INTO closed_through FROM ledger_seal;
    RETURN closed_through;
END
$$
"""

# The planner may only walk the arrays in the order given and look each row up by its key: that is what makes
# rows lock in id order whatever the table's size. `known` are accounts that cannot be guarded ones of the
# batch (met under several owners); answered are they and whatever was not an open guarded account of this owner
# and currency, with what the caller needs to judge them.
APPLY = """
CREATE FUNCTION ledger_apply(owners uuid[], accounts uuid[], debit_sums bigint[], credit_sums bigint[],
                             known uuid[], of_currency text, of_day date, judged boolean)
RETURNS TABLE (account_id uuid, owner_id uuid, owner_kind text, currency text, state text, guarded boolean)
LANGUAGE plpgsql VOLATILE
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    hit uuid[];
    rest uuid[] := known;
BEGIN
    WITH moved AS (
        SELECT * FROM unnest(owners, accounts, debit_sums, credit_sums)
            AS m (owner_id, account_id, debits, credits)
    ), applied AS (
        UPDATE ledger_balance b
        SET posted = b.posted + b.normal * (m.credits - m.debits), version = b.version + 1
        FROM moved m
        WHERE b.owner_id = m.owner_id AND b.account_id = m.account_id AND b.open AND b.currency = of_currency
            AND (judged OR b.posted - b.pending - CASE b.normal WHEN 1 THEN m.debits ELSE m.credits END >= b.floor)
        RETURNING b.account_id, b.kind, m.debits, m.credits
    ), control AS (
        INSERT INTO ledger_control AS c (kind, currency, book_day, slot, debits, credits)
        SELECT kind, of_currency, of_day, pg_backend_pid() % 64, sum(debits), sum(credits)
        FROM applied GROUP BY kind ORDER BY kind
        ON CONFLICT (kind, currency, book_day, slot)
        DO UPDATE SET debits = c.debits + excluded.debits, credits = c.credits + excluded.credits
    )
    SELECT array_agg(applied.account_id) INTO hit FROM applied;
    IF cardinality(accounts) <> coalesce(cardinality(hit), 0) THEN
        rest := rest || ARRAY(SELECT unnest(accounts) EXCEPT SELECT unnest(hit));
    END IF;
    RETURN QUERY
        SELECT r.id, a.owner_id, a.owner_kind, a.currency, a.state, a.guarded
        FROM unnest(rest) AS r (id) LEFT JOIN ledger_account a ON a.account_id = r.id;
END
$$
"""

APPEND_ONLY = (
    "ledger_line",
    "ledger_derived",
    "ledger_closing",
    "ledger_seal",
    "ledger_seal_chunk",
    "ledger_seal_key",
)

RIGHTS = """
GRANT SELECT, INSERT ON ledger_account, ledger_balance, ledger_line, ledger_derived, ledger_rollup,
    ledger_control, ledger_closing, ledger_hold, ledger_seal, ledger_seal_chunk, ledger_seal_key TO lienthong_app;
GRANT UPDATE (state, changed_at) ON ledger_account TO lienthong_app;
GRANT UPDATE (open, posted, pending, floor, version) ON ledger_balance TO lienthong_app;
GRANT UPDATE (debits, credits) ON ledger_rollup, ledger_control TO lienthong_app;
GRANT UPDATE (state, ended_at, posted_minor, entry_id) ON ledger_hold TO lienthong_app;
"""


def upgrade() -> None:
    for part in (ACCOUNTS, LINES, ROLLUPS, HOLDS, SEALS, SHARE, APPLY):
        op.execute(part)
    for table in APPEND_ONLY:
        # By row, so that partitions inherit it; TRUNCATE has no row form.
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
    for table in (*APPEND_ONLY, "ledger_line_default"):
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    op.execute(RIGHTS)


def downgrade() -> None:
    raise RuntimeError("0002_ledger_core holds the books: restore a backup instead of downgrading")
