"""Movements have numbers, so that their matches are written in order and found by a small key."""

from alembic import op

revision = "0021_ledger_recon_numbers"
down_revision = "0020_ledger_invoice"
branch_labels = None
depends_on = None

# Numbers follow the order in which movements came, and one movement comes at about the same time on each side: an
# index of them grows at its end, where one of random ids would be written to all over.
ITEMS = """
-- squawk-ignore adding-field-with-default
ALTER TABLE ledger_recon_item ADD COLUMN item_no bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ledger_recon_item ADD CONSTRAINT ledger_recon_item_no UNIQUE (item_no);
CREATE INDEX ledger_recon_item_end_to_end ON ledger_recon_item (end_to_end) WHERE end_to_end <> '';
CREATE INDEX ledger_recon_item_side ON ledger_recon_item (side, pool, occurred_on);
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX ledger_recon_item_day;
"""
# match_id is a person's; what a rule matched is named by the movement that stands alone in it.
EDGES = """
-- squawk-ignore renaming-table
ALTER TABLE ledger_recon_edge RENAME TO ledger_recon_edge_by_id;
-- squawk-ignore renaming-object
ALTER TABLE ledger_recon_edge_by_id RENAME CONSTRAINT ledger_recon_edge_pk TO ledger_recon_edge_by_id_pk;
CREATE TABLE ledger_recon_edge (
    relation text        NOT NULL,
    left_no  bigint      NOT NULL,
    right_no bigint      NOT NULL,
    turn     integer     NOT NULL,
    rule     text        NOT NULL,
    match_id uuid,
    made_at  timestamptz NOT NULL,
    live     boolean     NOT NULL DEFAULT true,
    CONSTRAINT ledger_recon_edge_pk PRIMARY KEY (left_no, right_no, turn),
    CONSTRAINT ledger_recon_edge_relates CHECK
        (relation IN ('ledger-bank', 'ledger-provider', 'provider-bank')),
    CONSTRAINT ledger_recon_edge_hand CHECK ((rule = 'by_hand') = (match_id IS NOT NULL))
);
INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, match_id, made_at, live)
SELECT e.relation, l.item_no, r.item_no, row_number() OVER (PARTITION BY l.item_no, r.item_no ORDER BY e.made_at),
    e.rule, CASE WHEN e.rule = 'by_hand' THEN e.match_id END, e.made_at, e.live
FROM ledger_recon_edge_by_id e JOIN ledger_recon_item l ON l.item_id = e.left_id
JOIN ledger_recon_item r ON r.item_id = e.right_id ORDER BY l.item_no;
-- squawk-ignore ban-drop-table
DROP TABLE ledger_recon_edge_by_id;
CREATE INDEX ledger_recon_edge_right ON ledger_recon_edge USING brin (right_no) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX ledger_recon_edge_match ON ledger_recon_edge (match_id) WHERE match_id IS NOT NULL;
CREATE INDEX ledger_recon_edge_undone ON ledger_recon_edge (left_no) WHERE NOT live;
GRANT SELECT, INSERT ON ledger_recon_edge TO lienthong_app;
GRANT UPDATE (live) ON ledger_recon_edge TO lienthong_app;
"""


def upgrade() -> None:
    op.execute(ITEMS)
    op.execute(EDGES)


def downgrade() -> None:
    raise RuntimeError("0021_ledger_recon_numbers holds matches: restore a backup instead of downgrading")
