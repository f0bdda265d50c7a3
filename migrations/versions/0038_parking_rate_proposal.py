"""Changes of places, rate tables and products that one person proposes and another approves."""

from alembic import op

revision = "0038_parking_rate_proposal"
down_revision = "0037_parking_right_till"
branch_labels = None
depends_on = None

# Evidence: what was asked for, as it came, and what became of it. What it does to the files is worked out again when
# it is approved. `asked` is '' where the element is to go.
PROPOSALS = """
CREATE TABLE parking_rate_proposal (
    proposal_id  uuid        NOT NULL,
    action       text        NOT NULL,
    kind         text        NOT NULL,
    element_id   text        NOT NULL,
    version      integer     NOT NULL,
    asked        text        NOT NULL,
    effective_at timestamptz,
    operators    text[]      NOT NULL,
    proposed_by  text        NOT NULL,
    proposed_at  timestamptz NOT NULL,
    CONSTRAINT parking_rate_proposal_pk PRIMARY KEY (proposal_id),
    CONSTRAINT parking_rate_proposal_action CHECK (action IN ('create', 'update', 'delete')),
    CONSTRAINT parking_rate_proposal_version CHECK ((action = 'create') = (version = 0) AND version >= 0),
    CONSTRAINT parking_rate_proposal_asked CHECK ((action = 'delete') = (asked = ''))
);
CREATE INDEX parking_rate_proposal_at ON parking_rate_proposal (proposed_at);
CREATE TABLE parking_rate_proposal_end (
    proposal_id   uuid        NOT NULL,
    outcome       text        NOT NULL,
    ended_by      text        NOT NULL,
    ended_at      timestamptz NOT NULL,
    note          text        NOT NULL,
    rates_version text        NOT NULL,
    CONSTRAINT parking_rate_proposal_end_pk PRIMARY KEY (proposal_id),
    CONSTRAINT parking_rate_proposal_end_of FOREIGN KEY (proposal_id) REFERENCES parking_rate_proposal,
    CONSTRAINT parking_rate_proposal_outcome CHECK (outcome IN ('approved', 'refused', 'withdrawn')),
    CONSTRAINT parking_rate_proposal_published CHECK ((outcome = 'approved') = (rates_version <> ''))
);
GRANT SELECT, INSERT ON parking_rate_proposal, parking_rate_proposal_end TO lienthong_app;
"""


def upgrade() -> None:
    op.execute(PROPOSALS)


def downgrade() -> None:
    raise RuntimeError(
        "0038_parking_rate_proposal holds who proposed and approved prices: restore a backup instead of downgrading"
    )
