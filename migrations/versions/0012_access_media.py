"""Media of every kind and their whole life, account links, family wallets, identities, proofs, actions."""

from alembic import op

revision = "0012_access_media"
down_revision = "0011_fare_sales"
branch_labels = None
depends_on = None

# `kind` says what the medium is; `uid_hash` is the keyed hash of what it is known by (UID, token). `uid_sealed` is
# there for cards that show a random UID: their own one, under the account's data key, for their MACs. The checks stay
# NOT VALID: every row that is there has met narrower ones, and reading all cards would hold up taps.
CARD = """
ALTER TABLE card ADD COLUMN kind text NOT NULL DEFAULT 'transit';
ALTER TABLE card ADD COLUMN uid_sealed bytea;
ALTER TABLE card ADD CONSTRAINT card_kind_known
    CHECK (kind IN ('transit', 'virtual', 'qr', 'citizen', 'bank')) NOT VALID;
-- squawk-ignore ban-drop-constraint
ALTER TABLE card DROP CONSTRAINT card_state_known;
ALTER TABLE card ADD CONSTRAINT card_state_known CHECK (state IN
    ('issued', 'active', 'blocked', 'lost', 'replaced', 'expired', 'returned', 'retired')) NOT VALID;
ALTER TABLE card_event ADD COLUMN detail jsonb NOT NULL DEFAULT '{}';
ALTER TABLE deny_change ADD COLUMN actor text NOT NULL DEFAULT '';
GRANT UPDATE (uid_hash, uid_sealed) ON card TO lienthong_app;
"""

# A virtual or a physical card of an account is active, never both. Building these stops no tap: a card's row is
# written at issue and when its state changes, never when it taps.
INDEXES = """
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX card_one_active ON card (fare_account_id)
    WHERE state = 'active' AND kind IN ('transit', 'virtual');
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX card_expiring ON card (expires_on) WHERE state IN ('issued', 'active', 'blocked');
"""

TABLES = """
CREATE TABLE card_key (
    card_id    uuid        NOT NULL,
    key_id     bytea       NOT NULL,
    public_key bytea       NOT NULL,
    added_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT card_key_pk PRIMARY KEY (card_id, key_id),
    CONSTRAINT card_key_card_fk FOREIGN KEY (card_id) REFERENCES card (card_id),
    CONSTRAINT card_key_lengths CHECK (octet_length(key_id) = 8 AND octet_length(public_key) = 32)
);
CREATE TABLE account_link (
    fare_account_id uuid        NOT NULL,
    link_no         integer     NOT NULL,
    link_id         uuid        NOT NULL,
    into_account_id uuid        NOT NULL,
    effective_from  timestamptz NOT NULL,
    reason          text        NOT NULL,
    actor           text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT account_link_pk PRIMARY KEY (fare_account_id, link_no),
    CONSTRAINT account_link_id_unique UNIQUE (fare_account_id, link_id),
    CONSTRAINT account_link_from_fk FOREIGN KEY (fare_account_id) REFERENCES fare_account (fare_account_id),
    CONSTRAINT account_link_into_fk FOREIGN KEY (into_account_id) REFERENCES fare_account (fare_account_id),
    CONSTRAINT account_link_no_positive CHECK (link_no >= 1)
);
CREATE INDEX account_link_into ON account_link (into_account_id);
CREATE TABLE family_wallet (
    fare_account_id  uuid        NOT NULL,
    wallet_no        integer     NOT NULL,
    wallet_id        uuid        NOT NULL,
    payer_account_id uuid,
    month_limit      bigint      NOT NULL,
    actor            text        NOT NULL,
    recorded_at      timestamptz NOT NULL,
    CONSTRAINT family_wallet_pk PRIMARY KEY (fare_account_id, wallet_no),
    CONSTRAINT family_wallet_id_unique UNIQUE (fare_account_id, wallet_id),
    CONSTRAINT family_wallet_member_fk FOREIGN KEY (fare_account_id) REFERENCES fare_account (fare_account_id),
    CONSTRAINT family_wallet_payer_fk FOREIGN KEY (payer_account_id) REFERENCES fare_account (fare_account_id),
    CONSTRAINT family_wallet_limit CHECK (month_limit >= 0),
    CONSTRAINT family_wallet_not_self CHECK (payer_account_id <> fare_account_id)
);
CREATE INDEX family_wallet_payer ON family_wallet (payer_account_id);
CREATE TABLE ledger_move (
    owner_id     uuid        NOT NULL,
    move_id      uuid        NOT NULL,
    into_id      uuid        NOT NULL,
    kind         text        NOT NULL,
    month        date        NOT NULL,
    amount_minor bigint      NOT NULL,
    currency     text        NOT NULL,
    moved_at     timestamptz NOT NULL,
    CONSTRAINT ledger_move_pk PRIMARY KEY (owner_id, move_id),
    CONSTRAINT ledger_move_positive CHECK (amount_minor > 0),
    CONSTRAINT ledger_move_two CHECK (owner_id <> into_id)
);
CREATE INDEX ledger_move_into ON ledger_move (into_id, month);
CREATE TABLE account_identity (
    fare_account_id uuid        NOT NULL,
    citizen_hash    bytea       NOT NULL,
    verifier        text        NOT NULL,
    verified_at     timestamptz NOT NULL,
    CONSTRAINT account_identity_pk PRIMARY KEY (fare_account_id),
    CONSTRAINT account_identity_citizen UNIQUE (citizen_hash),
    CONSTRAINT account_identity_account_fk FOREIGN KEY (fare_account_id)
        REFERENCES fare_account (fare_account_id),
    CONSTRAINT account_identity_hash_length CHECK (octet_length(citizen_hash) = 32)
);
CREATE TABLE fare_entitlement_proof (
    fare_account_id uuid        NOT NULL,
    entitlement_id  uuid        NOT NULL,
    kind            text        NOT NULL,
    verifier        text        NOT NULL,
    reference       text        NOT NULL,
    proof_hash      bytea       NOT NULL,
    actor           text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT fare_entitlement_proof_pk PRIMARY KEY (fare_account_id, entitlement_id),
    CONSTRAINT fare_entitlement_proof_hash CHECK (octet_length(proof_hash) = 32)
);
CREATE TABLE fare_entitlement_end (
    fare_account_id uuid        NOT NULL,
    entitlement_id  uuid        NOT NULL,
    end_no          integer     NOT NULL,
    last_day        date        NOT NULL,
    reason          text        NOT NULL,
    actor           text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT fare_entitlement_end_pk PRIMARY KEY (fare_account_id, entitlement_id, end_no)
);
CREATE TABLE card_action (
    card_id   uuid        NOT NULL,
    action_id uuid        NOT NULL,
    serial    bigint      NOT NULL,
    action    text        NOT NULL,
    detail    jsonb       NOT NULL,
    until_at  timestamptz NOT NULL,
    cause     text        NOT NULL,
    actor     text        NOT NULL,
    at        timestamptz NOT NULL,
    CONSTRAINT card_action_pk PRIMARY KEY (card_id, action_id),
    CONSTRAINT card_action_card_fk FOREIGN KEY (card_id) REFERENCES card (card_id),
    CONSTRAINT card_action_known CHECK (action IN ('load_pass', 'unblock', 're_key'))
);
CREATE TABLE card_action_end (
    card_id    uuid        NOT NULL,
    action_id  uuid        NOT NULL,
    outcome    text        NOT NULL,
    ended_by   text        NOT NULL,
    at         timestamptz NOT NULL,
    CONSTRAINT card_action_end_pk PRIMARY KEY (card_id, action_id),
    CONSTRAINT card_action_end_of FOREIGN KEY (card_id, action_id) REFERENCES card_action (card_id, action_id),
    CONSTRAINT card_action_end_known CHECK (outcome IN ('done', 'withdrawn', 'expired'))
);
CREATE TABLE action_list_version (
    version bigint      NOT NULL,
    content bytea       NOT NULL,
    made_at timestamptz NOT NULL,
    CONSTRAINT action_list_version_pk PRIMARY KEY (version),
    CONSTRAINT action_list_version_positive CHECK (version >= 1)
);
"""

APPEND_ONLY = (
    "card_key",
    "account_link",
    "family_wallet",
    "ledger_move",
    "fare_entitlement_proof",
    "fare_entitlement_end",
    "card_action",
    "card_action_end",
    "action_list_version",
)


def upgrade() -> None:
    op.execute(CARD)
    op.execute(INDEXES)
    op.execute(TABLES)
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    # Erasing a person takes the row away: a keyed hash of a citizen's number is still that citizen's.
    op.execute("GRANT SELECT, INSERT, DELETE ON account_identity TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError("0012_access_media holds links and proofs: restore a backup instead of downgrading")
