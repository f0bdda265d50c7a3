"""Fares: published tariffs, bills by revision, their lines, purchases and entitlements."""

from alembic import op

revision = "0004_fare_core"
down_revision = "0003_access_core"
branch_labels = None
depends_on = None

TABLES = (
    # A published tariff is one immutable, signed bundle; `book` names it on every bill.
    """
    CREATE TABLE fare_tariff (
        version       text        NOT NULL,
        sha256        bytea       NOT NULL,
        bundle        bytea       NOT NULL,
        signature     bytea       NOT NULL,
        key_id        text        NOT NULL,
        prepared_by   text        NOT NULL,
        approved_by   text        NOT NULL,
        published_at  timestamptz NOT NULL,
        CONSTRAINT fare_tariff_pk PRIMARY KEY (version),
        CONSTRAINT fare_tariff_sha256_len CHECK (length(sha256) = 32),
        CONSTRAINT fare_tariff_two_persons CHECK (prepared_by <> approved_by)
    )
    """,
    # One row a revision of an account-day; the newest revision is what is booked. json, not jsonb: it keeps the
    # canonical text as it was written, and two summaries are compared as text.
    """
    CREATE TABLE fare_bill (
        fare_account_id uuid        NOT NULL,
        service_day     date        NOT NULL,
        revision        integer     NOT NULL,
        tariff_version  text        NOT NULL,
        engine_version  text        NOT NULL,
        billed_at       timestamptz NOT NULL,
        carried_in      json        NOT NULL,
        carried_out     json        NOT NULL,
        rides           json        NOT NULL,
        unpriced        json        NOT NULL,
        has_open_ride   boolean     NOT NULL,
        CONSTRAINT fare_bill_pk PRIMARY KEY (fare_account_id, service_day, revision),
        CONSTRAINT fare_bill_revision_positive CHECK (revision >= 1)
    ) PARTITION BY RANGE (service_day)
    """,
    "CREATE TABLE fare_bill_default PARTITION OF fare_bill DEFAULT",
    "CREATE INDEX fare_bill_open_rides ON fare_bill (service_day, fare_account_id) WHERE has_open_ride",
    # A line holds the *difference* a revision booked; the sum over revisions is the bill.
    """
    CREATE TABLE fare_bill_line (
        fare_account_id uuid     NOT NULL,
        service_day     date     NOT NULL,
        revision        integer  NOT NULL,
        line_no         smallint NOT NULL,
        tap_id          uuid     NOT NULL,
        component       text     NOT NULL,
        operator_id     text     NOT NULL,
        funder          text     NOT NULL,
        route_id        text     NOT NULL,
        rule            text     NOT NULL,
        currency        char(3)  NOT NULL,
        delta_minor     bigint   NOT NULL,
        trips_delta     smallint NOT NULL,
        book_day        date     NOT NULL,
        entry_id        uuid,
        CONSTRAINT fare_bill_line_pk PRIMARY KEY (fare_account_id, service_day, revision, line_no),
        CONSTRAINT fare_bill_line_component CHECK
            (component IN ('charged', 'waived', 'discounted', 'pass_covered', 'cap_covered'))
    ) PARTITION BY RANGE (service_day)
    """,
    "CREATE TABLE fare_bill_line_default PARTITION OF fare_bill_line DEFAULT",
    "CREATE INDEX fare_bill_line_book_day ON fare_bill_line (book_day)",
    # What pricing reads besides taps: dated facts, never edited (an end is a later fact).
    """
    CREATE TABLE fare_pass (
        fare_account_id uuid        NOT NULL,
        pass_id         uuid        NOT NULL,
        product_id      text        NOT NULL,
        scope           text        NOT NULL,
        valid_from      timestamptz NOT NULL,
        valid_until     timestamptz NOT NULL,
        price_minor     bigint      NOT NULL,
        currency        char(3)     NOT NULL,
        purchased_at    timestamptz NOT NULL,
        entry_id        uuid,
        CONSTRAINT fare_pass_pk PRIMARY KEY (fare_account_id, pass_id),
        CONSTRAINT fare_pass_window CHECK (valid_from < valid_until),
        CONSTRAINT fare_pass_price CHECK (price_minor >= 0)
    )
    """,
    """
    CREATE TABLE fare_entitlement (
        fare_account_id uuid        NOT NULL,
        entitlement_id  uuid        NOT NULL,
        concession      smallint    NOT NULL,
        valid_from      date        NOT NULL,
        valid_to        date,
        verified_by     text        NOT NULL,
        recorded_at     timestamptz NOT NULL,
        CONSTRAINT fare_entitlement_pk PRIMARY KEY (fare_account_id, entitlement_id),
        CONSTRAINT fare_entitlement_window CHECK (valid_to IS NULL OR valid_from <= valid_to)
    )
    """,
)

APPEND_ONLY = ("fare_tariff", "fare_bill", "fare_bill_line", "fare_pass", "fare_entitlement")


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
    # By row, so that partitions inherit it; TRUNCATE has no row form.
    for table in (*APPEND_ONLY, "fare_bill_default", "fare_bill_line_default"):
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def downgrade() -> None:
    raise RuntimeError("0004_fare_core holds bills: restore a backup instead of downgrading")
