"""Selling and serving riders: sales, ends and earnings of passes, corrections, disputes, goodwill, notices, sign-ins.

Also what was imported from the scheme before, and who looked at a rider's data.
"""

from alembic import op

revision = "0011_fare_sales"
down_revision = "0010_fare_tariffs"
branch_labels = None
depends_on = None

PASSES = """
CREATE TABLE fare_pass_sale (
    fare_account_id uuid NOT NULL,
    pass_id         uuid NOT NULL,
    paid_by         text NOT NULL,
    payer_id        uuid,
    payer_name      text NOT NULL,
    renews          uuid,
    gift_id         uuid,
    tariff_version  text NOT NULL,
    sold_by         text NOT NULL,
    book_day        date NOT NULL,
    CONSTRAINT fare_pass_sale_pk PRIMARY KEY (fare_account_id, pass_id),
    CONSTRAINT fare_pass_sale_pass_fk FOREIGN KEY (fare_account_id, pass_id)
        REFERENCES fare_pass (fare_account_id, pass_id),
    CONSTRAINT fare_pass_sale_way CHECK (paid_by IN ('balance', 'vietqr', 'till', 'gift', 'legacy'))
);
CREATE INDEX fare_pass_sale_gift ON fare_pass_sale (gift_id) WHERE gift_id IS NOT NULL;
CREATE INDEX fare_pass_product ON fare_pass (product_id, valid_until);
CREATE TABLE fare_pass_end (
    fare_account_id uuid        NOT NULL,
    pass_id         uuid        NOT NULL,
    ended_at        timestamptz NOT NULL,
    refunded_minor  bigint      NOT NULL,
    entry_id        uuid,
    reason          text        NOT NULL,
    ended_by        text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    book_day        date        NOT NULL,
    CONSTRAINT fare_pass_end_pk PRIMARY KEY (fare_account_id, pass_id),
    CONSTRAINT fare_pass_end_pass_fk FOREIGN KEY (fare_account_id, pass_id)
        REFERENCES fare_pass (fare_account_id, pass_id),
    CONSTRAINT fare_pass_end_refund CHECK (refunded_minor >= 0)
);
CREATE TABLE fare_pass_order (
    fare_account_id uuid        NOT NULL,
    pass_id         uuid        NOT NULL,
    intent_id       uuid        NOT NULL,
    product_id      text        NOT NULL,
    scope           text        NOT NULL,
    starts_at       timestamptz,
    state           text        NOT NULL,
    ordered_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    why             text        NOT NULL DEFAULT '',
    CONSTRAINT fare_pass_order_pk PRIMARY KEY (fare_account_id, pass_id),
    CONSTRAINT fare_pass_order_state CHECK (state IN ('open', 'bought', 'not_bought')),
    CONSTRAINT fare_pass_order_ended CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX fare_pass_order_intent ON fare_pass_order (fare_account_id, intent_id);
CREATE TABLE fare_pass_earned (
    product_id   text        NOT NULL,
    book_day     date        NOT NULL,
    currency     text        NOT NULL,
    earned_minor bigint      NOT NULL,
    unridden_minor bigint    NOT NULL,
    entry_id     uuid,
    earned_at    timestamptz NOT NULL,
    CONSTRAINT fare_pass_earned_pk PRIMARY KEY (product_id, book_day)
);
CREATE TABLE fare_pass_earned_part (
    product_id  text   NOT NULL,
    book_day    date   NOT NULL,
    operator_id text   NOT NULL,
    minor       bigint NOT NULL,
    CONSTRAINT fare_pass_earned_part_pk PRIMARY KEY (product_id, book_day, operator_id),
    CONSTRAINT fare_pass_earned_part_fk FOREIGN KEY (product_id, book_day)
        REFERENCES fare_pass_earned (product_id, book_day)
);
CREATE TABLE fare_correction (
    fare_account_id uuid        NOT NULL,
    tap_id          uuid        NOT NULL,
    correction_id   uuid        NOT NULL,
    service_day     date        NOT NULL,
    stop_id         text        NOT NULL,
    left_at         timestamptz NOT NULL,
    made_by         text        NOT NULL,
    made_at         timestamptz NOT NULL,
    CONSTRAINT fare_correction_pk PRIMARY KEY (fare_account_id, tap_id),
    CONSTRAINT fare_correction_id_unique UNIQUE (fare_account_id, correction_id)
);
"""

RIDERS = """
CREATE TABLE rider_code (
    fare_account_id uuid        NOT NULL,
    code_id         uuid        NOT NULL,
    code_hash       bytea       NOT NULL,
    made_by         text        NOT NULL,
    made_at         timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    tries           smallint    NOT NULL DEFAULT 0,
    used_at         timestamptz,
    CONSTRAINT rider_code_pk PRIMARY KEY (fare_account_id, code_id),
    CONSTRAINT rider_code_hash_length CHECK (octet_length(code_hash) = 32)
);
CREATE TABLE rider_sign_in (
    token_hash      bytea       NOT NULL,
    fare_account_id uuid        NOT NULL,
    made_at         timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    CONSTRAINT rider_sign_in_pk PRIMARY KEY (token_hash),
    CONSTRAINT rider_sign_in_hash_length CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX rider_sign_in_account ON rider_sign_in (fare_account_id);
CREATE TABLE rider_data_access (
    fare_account_id uuid        NOT NULL,
    access_id       uuid        NOT NULL,
    at              timestamptz NOT NULL,
    actor_kind      text        NOT NULL,
    actor_id        text        NOT NULL,
    what            text        NOT NULL,
    purpose         text        NOT NULL,
    request_id      text        NOT NULL,
    CONSTRAINT rider_data_access_pk PRIMARY KEY (fare_account_id, access_id)
);
CREATE TABLE rider_notice (
    fare_account_id uuid        NOT NULL,
    notice_id       uuid        NOT NULL,
    kind            text        NOT NULL,
    facts           jsonb       NOT NULL,
    made_at         timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    tries           integer     NOT NULL DEFAULT 0,
    sent_at         timestamptz,
    CONSTRAINT rider_notice_pk PRIMARY KEY (fare_account_id, notice_id)
);
CREATE INDEX rider_notice_due ON rider_notice (due_at) WHERE sent_at IS NULL;
CREATE TABLE rider_notice_mark (
    kind   text        NOT NULL,
    seen_to timestamptz NOT NULL,
    CONSTRAINT rider_notice_mark_pk PRIMARY KEY (kind)
);
"""

MONEY = """
CREATE TABLE ledger_dispute (
    owner_id      uuid        NOT NULL,
    dispute_id    uuid        NOT NULL,
    entry_id      uuid        NOT NULL,
    disputed_minor bigint     NOT NULL,
    currency      text        NOT NULL,
    reason        text        NOT NULL,
    state         text        NOT NULL,
    raised_by     text        NOT NULL,
    raised_at     timestamptz NOT NULL,
    answer_by     timestamptz NOT NULL,
    CONSTRAINT ledger_dispute_pk PRIMARY KEY (owner_id, dispute_id),
    CONSTRAINT ledger_dispute_amount CHECK (disputed_minor > 0)
);
CREATE UNIQUE INDEX ledger_dispute_once ON ledger_dispute (owner_id, entry_id) WHERE state IN ('raised', 'in_review');
CREATE INDEX ledger_dispute_due ON ledger_dispute (answer_by) WHERE state IN ('raised', 'in_review');
CREATE TABLE ledger_dispute_step (
    owner_id       uuid        NOT NULL,
    dispute_id     uuid        NOT NULL,
    step_no        smallint    NOT NULL,
    event          text        NOT NULL,
    state          text        NOT NULL,
    actor          text        NOT NULL,
    at             timestamptz NOT NULL,
    note           text        NOT NULL,
    refunded_minor bigint,
    entry_id       uuid,
    CONSTRAINT ledger_dispute_step_pk PRIMARY KEY (owner_id, dispute_id, step_no),
    CONSTRAINT ledger_dispute_step_fk FOREIGN KEY (owner_id, dispute_id)
        REFERENCES ledger_dispute (owner_id, dispute_id),
    CONSTRAINT ledger_dispute_step_refund CHECK (refunded_minor > 0)
);
CREATE TABLE ledger_goodwill (
    batch_id     uuid        NOT NULL,
    reason       text        NOT NULL,
    sha256       bytea       NOT NULL,
    currency     text        NOT NULL,
    line_count   integer     NOT NULL,
    total_minor  bigint      NOT NULL,
    state        text        NOT NULL,
    made_by      text        NOT NULL,
    made_at      timestamptz NOT NULL,
    CONSTRAINT ledger_goodwill_pk PRIMARY KEY (batch_id),
    CONSTRAINT ledger_goodwill_totals CHECK (line_count > 0 AND total_minor > 0)
);
CREATE TABLE ledger_goodwill_step (
    batch_id uuid        NOT NULL,
    step_no  smallint    NOT NULL,
    event    text        NOT NULL,
    state    text        NOT NULL,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL,
    note     text        NOT NULL,
    CONSTRAINT ledger_goodwill_step_pk PRIMARY KEY (batch_id, step_no),
    CONSTRAINT ledger_goodwill_step_fk FOREIGN KEY (batch_id) REFERENCES ledger_goodwill (batch_id)
);
CREATE TABLE ledger_goodwill_line (
    owner_id uuid    NOT NULL,
    batch_id uuid    NOT NULL,
    line_no  integer NOT NULL,
    minor    bigint  NOT NULL,
    CONSTRAINT ledger_goodwill_line_pk PRIMARY KEY (owner_id, batch_id),
    CONSTRAINT ledger_goodwill_line_amount CHECK (minor > 0)
);
CREATE INDEX ledger_goodwill_line_batch ON ledger_goodwill_line (batch_id, line_no);
"""

LEGACY = """
CREATE TABLE legacy_import (
    batch_id    uuid        NOT NULL,
    scheme      text        NOT NULL,
    sha256      bytea       NOT NULL,
    currency    text        NOT NULL,
    totals      jsonb       NOT NULL,
    imported_by text        NOT NULL,
    begun_at    timestamptz NOT NULL,
    ended_at    timestamptz,
    CONSTRAINT legacy_import_pk PRIMARY KEY (batch_id)
);
CREATE TABLE legacy_card (
    fare_account_id uuid        NOT NULL,
    scheme          text        NOT NULL,
    number_tail     text        NOT NULL,
    concession      smallint    NOT NULL,
    balance_minor   bigint      NOT NULL,
    currency        text        NOT NULL,
    last_used_on    date,
    batch_id        uuid        NOT NULL,
    imported_at     timestamptz NOT NULL,
    moved_to        uuid,
    moved_at        timestamptz,
    CONSTRAINT legacy_card_pk PRIMARY KEY (fare_account_id),
    CONSTRAINT legacy_card_balance CHECK (balance_minor >= 0),
    CONSTRAINT legacy_card_moved CHECK ((moved_to IS NULL) = (moved_at IS NULL))
);
CREATE INDEX legacy_card_batch ON legacy_card (batch_id);
"""

# Tills: whoever sells for cash is neither staff nor rider. The new rule is wider: rows that stand need no look.
ROLES = "\n".join(
    f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT {name};\n"
    f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (role IN ('rider', 'inspector', 'agent',"
    " 'parking_operator', 'finance_maker', 'finance_checker', 'auditor', 'administrator')) NOT VALID;"
    for table, name in (("staff_role", "staff_role_known"), ("api_credential", "api_credential_role_known"))
)

APPEND_ONLY = (
    "fare_pass_sale",
    "fare_pass_end",
    "fare_pass_earned",
    "fare_pass_earned_part",
    "fare_correction",
    "rider_data_access",
    "ledger_dispute_step",
    "ledger_goodwill_step",
    "ledger_goodwill_line",
)
GRANTS = {
    "fare_pass_order": "SELECT, INSERT, UPDATE (state, ended_at, why)",
    "rider_code": "SELECT, INSERT, UPDATE (tries, used_at)",
    "rider_sign_in": "SELECT, INSERT, UPDATE (ended_at)",
    "rider_notice": "SELECT, INSERT, UPDATE (due_at, tries, sent_at)",
    "rider_notice_mark": "SELECT, INSERT, UPDATE (seen_to)",
    "ledger_dispute": "SELECT, INSERT, UPDATE (state)",
    "ledger_goodwill": "SELECT, INSERT, UPDATE (state)",
    "legacy_import": "SELECT, INSERT, UPDATE (ended_at)",
    "legacy_card": "SELECT, INSERT, UPDATE (moved_to, moved_at)",
}


def upgrade() -> None:
    for part in (ROLES, PASSES, RIDERS, MONEY, LEGACY):
        op.execute(part)
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
    for table, rights in GRANTS.items():
        op.execute(f"GRANT {rights} ON {table} TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError("0011_fare_sales holds sales and disputes: restore a backup instead of downgrading")
