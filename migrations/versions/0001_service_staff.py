"""Roles, staff users, credentials and the append-only audit trail."""

from alembic import op

revision = "0001_service_staff"
down_revision = None
branch_labels = None
depends_on = None

# The launcher, or an operator's DBA, may have made the group role; roles belong to the cluster, not to us.
GROUP = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lienthong_app') THEN
        CREATE ROLE lienthong_app NOLOGIN;
    END IF;
END
$$
"""

# Second lock on the door: the application role has no right to change evidence, entries or the audit trail,
# and this trigger stops the owner's slip of the hand. Houses attach it to their own append-only tables.
APPEND_ONLY = """
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$
"""

STAFF = """
CREATE TABLE staff_user (
    staff_id      uuid        NOT NULL,
    email         text        NOT NULL,
    display_name  text        NOT NULL,
    password_hash text,
    active        boolean     NOT NULL DEFAULT true,
    sign_in_epoch integer     NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL,
    CONSTRAINT staff_user_pk PRIMARY KEY (staff_id),
    CONSTRAINT staff_user_email_unique UNIQUE (email),
    CONSTRAINT staff_user_email_lower CHECK (email = lower(email) AND email LIKE '%_@_%'),
    CONSTRAINT staff_user_epoch CHECK (sign_in_epoch >= 0)
);
CREATE TABLE staff_role (
    staff_id    uuid        NOT NULL,
    role        text        NOT NULL,
    operator_id text        NOT NULL DEFAULT '',
    granted_at  timestamptz NOT NULL,
    CONSTRAINT staff_role_pk PRIMARY KEY (staff_id, role, operator_id),
    CONSTRAINT staff_role_staff_fk FOREIGN KEY (staff_id) REFERENCES staff_user (staff_id),
    CONSTRAINT staff_role_known CHECK (role IN (
        'rider', 'inspector', 'parking_operator', 'finance_maker', 'finance_checker', 'auditor', 'administrator')),
    CONSTRAINT staff_role_scope CHECK (role <> 'parking_operator' OR operator_id <> '')
);
CREATE TABLE api_credential (
    credential_id uuid        NOT NULL,
    token_hash    bytea       NOT NULL,
    name          text        NOT NULL,
    role          text        NOT NULL,
    operator_id   text        NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    CONSTRAINT api_credential_pk PRIMARY KEY (credential_id),
    CONSTRAINT api_credential_token_unique UNIQUE (token_hash),
    CONSTRAINT api_credential_token_length CHECK (octet_length(token_hash) = 32),
    CONSTRAINT api_credential_role_known CHECK (role IN (
        'rider', 'inspector', 'parking_operator', 'finance_maker', 'finance_checker', 'auditor', 'administrator')),
    CONSTRAINT api_credential_scope CHECK (role <> 'parking_operator' OR operator_id <> ''),
    CONSTRAINT api_credential_ends CHECK (expires_at > created_at)
);
"""

AUDIT = """
CREATE TABLE audit_trail (
    audit_id     uuid        NOT NULL,
    at           timestamptz NOT NULL,
    actor_kind   text        NOT NULL,
    actor_id     text        NOT NULL,
    action       text        NOT NULL,
    subject_kind text        NOT NULL,
    subject_id   text        NOT NULL,
    request_id   text        NOT NULL DEFAULT '',
    detail       jsonb       NOT NULL DEFAULT '{}',
    CONSTRAINT audit_trail_pk PRIMARY KEY (audit_id),
    CONSTRAINT audit_trail_actor_known CHECK (actor_kind IN ('staff', 'credential', 'device', 'rider', 'command'))
);
CREATE INDEX audit_trail_by_time ON audit_trail (at);
CREATE INDEX audit_trail_by_subject ON audit_trail (subject_kind, subject_id, at);
CREATE TRIGGER audit_trail_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
"""

RIGHTS = """
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO lienthong_app;
GRANT SELECT ON alembic_version TO lienthong_app;
GRANT SELECT, INSERT ON audit_trail TO lienthong_app;
GRANT SELECT, INSERT ON staff_user, staff_role, api_credential TO lienthong_app;
GRANT UPDATE (display_name, password_hash, active, sign_in_epoch) ON staff_user TO lienthong_app;
GRANT UPDATE (revoked_at) ON api_credential TO lienthong_app;
GRANT DELETE ON staff_role TO lienthong_app;
"""


def upgrade() -> None:
    for part in (GROUP, APPEND_ONLY, STAFF, AUDIT, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    raise RuntimeError("0001 is not undone: the audit trail would be lost")
