"""Settlements of closed book days: immutable, one a day and operator, with the lines and the coverage."""

from alembic import op

revision = "0007_ledger_settlement"
down_revision = "0006_ledger_topup"
branch_labels = None
depends_on = None

_AMOUNTS = """
    face_value   bigint  NOT NULL,
    waived       bigint  NOT NULL,
    discounted   bigint  NOT NULL,
    pass_covered bigint  NOT NULL,
    cap_covered  bigint  NOT NULL,
    collected    bigint  NOT NULL,
    refunded     bigint  NOT NULL,
"""

TABLES = f"""
CREATE TABLE ledger_settlement_day (
    book_day     date        NOT NULL,
    currency     text        NOT NULL,
    digest       bytea       NOT NULL,
    stored_value numeric     NOT NULL,
    guarantee    numeric     NOT NULL,
    clearing     numeric     NOT NULL,
    receivable   numeric     NOT NULL,
    settled_at   timestamptz NOT NULL,
    CONSTRAINT ledger_settlement_day_pk PRIMARY KEY (book_day, currency),
    CONSTRAINT ledger_settlement_day_seal_fk FOREIGN KEY (book_day) REFERENCES ledger_seal (book_day),
    CONSTRAINT ledger_settlement_day_digest CHECK (octet_length(digest) = 32)
);
CREATE TABLE ledger_settlement (
    book_day       date    NOT NULL,
    currency       text    NOT NULL,
    operator_id    text    NOT NULL,
    trips          bigint  NOT NULL,
    {_AMOUNTS}
    fees           bigint  NOT NULL,
    ledger_net     bigint  NOT NULL,
    ledger_subsidy bigint  NOT NULL,
    CONSTRAINT ledger_settlement_pk PRIMARY KEY (book_day, currency, operator_id),
    CONSTRAINT ledger_settlement_day_fk FOREIGN KEY (book_day, currency)
        REFERENCES ledger_settlement_day (book_day, currency),
    CONSTRAINT ledger_settlement_whole CHECK
        (face_value = waived + discounted + pass_covered + cap_covered + collected - refunded),
    CONSTRAINT ledger_settlement_positive CHECK (collected >= 0 AND refunded >= 0 AND fees >= 0)
);
CREATE TABLE ledger_settlement_line (
    book_day     date     NOT NULL,
    currency     text     NOT NULL,
    operator_id  text     NOT NULL,
    line_no      integer  NOT NULL,
    house        text     NOT NULL,
    mode         text     NOT NULL,
    route_id     text     NOT NULL,
    trips        bigint   NOT NULL,
    {_AMOUNTS}
    CONSTRAINT ledger_settlement_line_pk PRIMARY KEY (book_day, currency, operator_id, line_no),
    CONSTRAINT ledger_settlement_line_settlement_fk FOREIGN KEY (book_day, currency, operator_id)
        REFERENCES ledger_settlement (book_day, currency, operator_id),
    CONSTRAINT ledger_settlement_line_whole CHECK
        (face_value = waived + discounted + pass_covered + cap_covered + collected - refunded)
);
"""

APPEND_ONLY = ("ledger_settlement_day", "ledger_settlement", "ledger_settlement_line")


def upgrade() -> None:
    op.execute(TABLES)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError("0007_ledger_settlement holds settlements: restore a backup instead of downgrading")
