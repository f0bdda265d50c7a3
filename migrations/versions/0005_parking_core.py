"""Published rates, events of stays that no tap tells of, stays, and the lines of their bills."""

from alembic import op

revision = "0005_parking_core"
down_revision = "0004_fare_core"
branch_labels = None
depends_on = None

# Local: one row a publication. `files` are the bytes that were published, so a price proves itself for ever.
RATES = """
CREATE TABLE parking_rates (
    version      text        NOT NULL,
    effective_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    prepared_by  text        NOT NULL,
    approved_by  text        NOT NULL,
    files        bytea       NOT NULL,
    CONSTRAINT parking_rates_pk PRIMARY KEY (version),
    CONSTRAINT parking_rates_effective UNIQUE (effective_at),
    CONSTRAINT parking_rates_two_people CHECK (prepared_by <> approved_by)
);
"""

# A card's taps are evidence of access; here stands what only the API was told. The account of a stay that no
# card pays is derived from its first event, so that every row has one distribution key.
EVENTS = """
CREATE TABLE parking_event (
    fare_account_id uuid        NOT NULL,
    event_day       date        NOT NULL,
    event_id        uuid        NOT NULL,
    kind            text        NOT NULL,
    subject         uuid        NOT NULL,
    at              timestamptz NOT NULL,
    until_at        timestamptz,
    place_id        text        NOT NULL,
    gate_id         text        NOT NULL,
    vehicle_class   text        NOT NULL,
    user_kind       text        NOT NULL,
    actor           text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT parking_event_pk PRIMARY KEY (fare_account_id, event_day, event_id),
    CONSTRAINT parking_event_kind CHECK (kind IN ('reserved', 'entered', 'paid', 'extended', 'left',
        'no_show', 'voided', 'disputed', 'upheld', 'refunded')),
    CONSTRAINT parking_event_until CHECK (until_at IS NULL OR kind IN ('reserved', 'paid', 'extended', 'left'))
) PARTITION BY RANGE (event_day);
CREATE TABLE parking_event_default PARTITION OF parking_event DEFAULT;
"""

# What the events came to at the newest revision: derived, so it may change. Its bill lines may not.
STAYS = """
CREATE TABLE parking_stay (
    fare_account_id uuid        NOT NULL,
    stay_day        date        NOT NULL,
    stay_id         uuid        NOT NULL,
    guest           boolean     NOT NULL,
    subject         uuid        NOT NULL,
    place_id        text        NOT NULL,
    operator_id     text        NOT NULL,
    vehicle_class   text        NOT NULL,
    state           text        NOT NULL,
    cases           text        NOT NULL,
    first_at        timestamptz NOT NULL,
    entered_at      timestamptz,
    left_at         timestamptz,
    last_at         timestamptz NOT NULL,
    running         boolean     NOT NULL,
    rates_version   text        NOT NULL,
    engine_version  text        NOT NULL,
    table_id        text        NOT NULL,
    revision        integer     NOT NULL,
    total_minor     bigint      NOT NULL,
    charged_minor   bigint      NOT NULL,
    currency        char(3)     NOT NULL,
    billed_at       timestamptz NOT NULL,
    CONSTRAINT parking_stay_pk PRIMARY KEY (fare_account_id, stay_day, stay_id),
    CONSTRAINT parking_stay_state CHECK (state IN ('expected', 'reserved', 'open', 'extended', 'paid_ahead',
        'overstayed', 'left', 'disputed', 'refunded', 'voided')),
    CONSTRAINT parking_stay_running CHECK (running = (state IN ('open', 'extended', 'paid_ahead', 'overstayed'))),
    CONSTRAINT parking_stay_amounts CHECK (0 <= charged_minor AND charged_minor <= total_minor),
    CONSTRAINT parking_stay_revision CHECK (revision >= 1)
) PARTITION BY RANGE (stay_day);
CREATE TABLE parking_stay_default PARTITION OF parking_stay DEFAULT;
CREATE INDEX parking_stay_by_id ON parking_stay (stay_id);
CREATE INDEX parking_stay_running_at ON parking_stay (place_id, subject) WHERE running;
CREATE INDEX parking_stay_by_account ON parking_stay (fare_account_id, last_at);
CREATE TABLE parking_bill_line (
    fare_account_id uuid     NOT NULL,
    stay_day        date     NOT NULL,
    stay_id         uuid     NOT NULL,
    revision        integer  NOT NULL,
    line_no         smallint NOT NULL,
    component       text     NOT NULL,
    operator_id     text     NOT NULL,
    place_id        text     NOT NULL,
    funder          text     NOT NULL,
    rule            text     NOT NULL,
    currency        char(3)  NOT NULL,
    delta_minor     bigint   NOT NULL,
    stays_delta     smallint NOT NULL,
    book_day        date     NOT NULL,
    entry_id        uuid,
    CONSTRAINT parking_bill_line_pk PRIMARY KEY (fare_account_id, stay_day, stay_id, revision, line_no),
    CONSTRAINT parking_bill_line_component CHECK (component IN ('charged', 'discounted', 'pass_covered')),
    CONSTRAINT parking_bill_line_changes CHECK (delta_minor <> 0 OR stays_delta <> 0)
) PARTITION BY RANGE (stay_day);
CREATE TABLE parking_bill_line_default PARTITION OF parking_bill_line DEFAULT;
CREATE INDEX parking_bill_line_book_day ON parking_bill_line (book_day, operator_id);
"""

APPEND_ONLY = ("parking_rates", "parking_event", "parking_bill_line")
# Row triggers reach every partition; a TRUNCATE trigger only the table that it names.
NO_TRUNCATE = (*APPEND_ONLY, "parking_event_default", "parking_bill_line_default")


def upgrade() -> None:
    for part in (RATES, EVENTS, STAYS):
        op.execute(part)
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO lienthong_app")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
    for table in NO_TRUNCATE:
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    op.execute("GRANT SELECT, INSERT, UPDATE ON parking_stay TO lienthong_app")


def downgrade() -> None:
    raise RuntimeError(
        "0005_parking_core holds stays and their bills: restore a backup instead of downgrading"
    )
