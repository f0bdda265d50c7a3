"""Evidence accounting: taps found by id and released by people, bills that state their parts, announced reruns."""

from alembic import op

revision = "0013_access_evidence"
down_revision = "0012_access_media"
branch_labels = None
depends_on = None

# A tap whose record is implausible is priced only after a person has let it through; the evidence stays as it is.
RELEASES = """
CREATE TABLE tap_release (
    card_id     uuid        NOT NULL,
    tap_id      uuid        NOT NULL,
    reason      text        NOT NULL,
    released_by text        NOT NULL,
    released_at timestamptz NOT NULL,
    CONSTRAINT tap_release_pk PRIMARY KEY (card_id, tap_id),
    CONSTRAINT tap_release_says_why CHECK (reason <> '' AND released_by <> '')
);
"""
# By hash: ids are random, and nobody asks for a range of them.
FIND_TAP = "CREATE INDEX tap_by_id ON tap USING hash (tap_id)"
# Rows lie in the order in which they came, so a few pages of this index find what came lately.
FIND_LATE = "CREATE INDEX tap_received ON tap USING brin (received_at)"

# The parts of the whole bill of the revision. Null in revisions from before this migration.
PARTS = """
ALTER TABLE fare_bill
    ADD COLUMN currency char(3),
    ADD COLUMN face_minor bigint,
    ADD COLUMN waived_minor bigint,
    ADD COLUMN discounted_minor bigint,
    ADD COLUMN pass_covered_minor bigint,
    ADD COLUMN cap_covered_minor bigint,
    ADD COLUMN charged_minor bigint;
"""
# NOT VALID: every new row obeys; old ones were judged by the engine, and no lock is held while they are read.
CHECKS = (
    (
        "fare_bill",
        "fare_bill_parts_sum",
        "face_minor = waived_minor + discounted_minor + pass_covered_minor + cap_covered_minor + charged_minor",
    ),
    (
        "fare_bill",
        "fare_bill_parts_positive",
        "waived_minor >= 0 AND discounted_minor >= 0 AND pass_covered_minor >= 0 AND cap_covered_minor >= 0",
    ),
    ("fare_bill", "fare_bill_parts_whole", "num_nulls(currency, face_minor, charged_minor) IN (0, 3)"),
    ("fare_bill_line", "fare_bill_line_trips", "trips_delta BETWEEN -1 AND 1"),
    (
        "fare_bill_line",
        "fare_bill_line_booked",
        "(entry_id IS NOT NULL) = (delta_minor <> 0 AND component IN ('charged', 'waived', 'discounted'))",
    ),
    ("fare_bill_line", "fare_bill_line_funder", "(component IN ('charged', 'pass_covered', 'cap_covered')) <= (funder = 'rider')"),
)  # fmt: skip

# What every charge comes to, from the lines that booked it: a row a tap, operator and funder.
CHARGES = """
CREATE VIEW fare_charge AS
SELECT fare_account_id, service_day, tap_id, route_id, operator_id, funder, currency,
       sum(delta_minor)::bigint AS face_minor,
       coalesce(sum(delta_minor) FILTER (WHERE component = 'waived'), 0)::bigint AS waived_minor,
       coalesce(sum(delta_minor) FILTER (WHERE component = 'discounted'), 0)::bigint AS discounted_minor,
       coalesce(sum(delta_minor) FILTER (WHERE component = 'pass_covered'), 0)::bigint AS pass_covered_minor,
       coalesce(sum(delta_minor) FILTER (WHERE component = 'cap_covered'), 0)::bigint AS cap_covered_minor,
       coalesce(sum(delta_minor) FILTER (WHERE component = 'charged'), 0)::bigint AS charged_minor,
       sum(trips_delta)::bigint AS trips
FROM fare_bill_line
GROUP BY fare_account_id, service_day, tap_id, route_id, operator_id, funder, currency
"""

# History is priced again only by an announced run that two people stand behind (DESIGN §8.7).
RERUNS = """
CREATE TABLE fare_rerun (
    run_id         uuid        NOT NULL,
    tariff_version text        NOT NULL,
    engine_version text        NOT NULL,
    first_day      date        NOT NULL,
    last_day       date        NOT NULL,
    reason         text        NOT NULL,
    announced_by   text        NOT NULL,
    announced_at   timestamptz NOT NULL,
    not_before     timestamptz NOT NULL,
    CONSTRAINT fare_rerun_pk PRIMARY KEY (run_id),
    CONSTRAINT fare_rerun_tariff_fk FOREIGN KEY (tariff_version) REFERENCES fare_tariff (version),
    CONSTRAINT fare_rerun_days CHECK (first_day <= last_day),
    CONSTRAINT fare_rerun_notice CHECK (not_before >= announced_at),
    CONSTRAINT fare_rerun_says_why CHECK (reason <> '' AND announced_by <> '')
);
CREATE TABLE fare_rerun_event (
    run_id       uuid        NOT NULL,
    event        text        NOT NULL,
    announced_by text        NOT NULL,
    actor        text        NOT NULL,
    at           timestamptz NOT NULL,
    CONSTRAINT fare_rerun_event_pk PRIMARY KEY (run_id, event),
    CONSTRAINT fare_rerun_event_run_fk FOREIGN KEY (run_id) REFERENCES fare_rerun (run_id),
    CONSTRAINT fare_rerun_event_known CHECK (event IN ('approved', 'withdrawn', 'finished')),
    CONSTRAINT fare_rerun_event_two_persons CHECK (event <> 'approved' OR lower(actor) <> lower(announced_by))
);
CREATE TABLE fare_rerun_account (
    fare_account_id uuid        NOT NULL,
    run_id          uuid        NOT NULL,
    done_at         timestamptz NOT NULL,
    revisions       integer     NOT NULL,
    change_minor    bigint      NOT NULL,
    CONSTRAINT fare_rerun_account_pk PRIMARY KEY (fare_account_id, run_id),
    CONSTRAINT fare_rerun_account_revisions CHECK (revisions >= 0)
);
CREATE INDEX fare_rerun_account_run ON fare_rerun_account (run_id);
"""
APPEND_ONLY = ("tap_release", "fare_rerun", "fare_rerun_event", "fare_rerun_account")


def upgrade() -> None:
    op.execute(RELEASES)
    op.execute(FIND_TAP)
    op.execute(FIND_LATE)
    op.execute(PARTS)
    for table, name, rule in CHECKS:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID")
    op.execute(CHARGES)
    op.execute("GRANT SELECT ON fare_charge TO lienthong_app")
    op.execute(RERUNS)
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


def downgrade() -> None:
    raise RuntimeError(
        "0013_access_evidence holds releases and reruns: restore a backup instead of downgrading"
    )
