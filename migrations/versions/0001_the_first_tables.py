"""The first tables"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A row of the ledger is written once. The only change that it may ever see is to be given its place in the tree.
KEEP_LEDGER = """
CREATE FUNCTION keep_ledger_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.position IS NULL
        AND (to_jsonb(NEW) - 'position') = (to_jsonb(OLD) - 'position') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a row of the ledger stays as it is' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER keep_ledger_entry BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION keep_ledger_entry();
"""
# The queue (Procrastinate) brings tables, types and functions of its own, all named procrastinate_*.
DROP_QUEUE = """
DO $$ DECLARE thing record; BEGIN
    FOR thing IN SELECT format('%I', c.relname) AS name FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'procrastinate\\_%' LOOP
        EXECUTE 'DROP TABLE ' || thing.name || ' CASCADE';
    END LOOP;
    FOR thing IN SELECT p.oid::regprocedure::text AS name FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'procrastinate\\_%' LOOP
        EXECUTE 'DROP FUNCTION ' || thing.name || ' CASCADE';
    END LOOP;
    FOR thing IN SELECT format('%I', t.typname) AS name FROM pg_type t
        WHERE t.typnamespace = 'public'::regnamespace AND t.typname LIKE 'procrastinate\\_%' LOOP
        EXECUTE 'DROP TYPE ' || thing.name || ' CASCADE';
    END LOOP;
END $$;
"""


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "authorities",
        sa.Column("department_code", sa.String(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("department_code", "type_code", "action", name=op.f("pk_authorities")),
    )
    op.create_table(
        "authorization_codes",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("nonce", sa.String(), nullable=True),
        sa.Column("code_challenge", sa.String(), nullable=False),
        sa.Column("auth_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amr", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_authorization_codes")),
    )
    op.create_index(op.f("ix_authorization_codes_issued_at"), "authorization_codes", ["issued_at"], unique=False)
    op.create_table(
        "client_assertions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_client_assertions")),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("auth_method", sa.String(), nullable=False),
        sa.Column("jwks", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("redirect_uris", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("post_logout_redirect_uris", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("backchannel_logout_uri", sa.String(), nullable=True),
        sa.Column("grant_types", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("first_party", sa.Boolean(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
    )
    op.create_table(
        "consents",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder_id", "client_id", name=op.f("pk_consents")),
    )
    op.create_table(
        "credentials",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("credential_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("holder_key_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("status_list", sa.String(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_credentials")),
    )
    op.create_index("ix_credentials_licence", "credentials", ["holder_id", "licence_id"], unique=False)
    op.create_table(
        "data_keys",
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("purpose", "version", name=op.f("pk_data_keys")),
    )
    op.create_table(
        "departments",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_departments")),
    )
    op.create_table(
        "events",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("transaction", sa.BigInteger(), server_default=sa.text("(pg_current_xact_id()::text)::bigint"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
    )
    op.create_index("ix_events_order", "events", ["transaction", "sequence"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("result_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_made_at"), "idempotency_keys", ["made_at"], unique=False)
    op.create_table(
        "ledger_checkpoints",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_checkpoints")),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("position", name=op.f("uq_ledger_entries_position")),
    )
    op.create_index("ix_ledger_entries_unsealed", "ledger_entries", ["id"], unique=False, postgresql_where=sa.text("position IS NULL"))
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_ledger_nodes")),
    )
    op.create_table(
        "licence_types",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_licence_types")),
    )
    op.create_table(
        "licences",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("type_version", sa.Integer(), nullable=False),
        sa.Column("issuer_code", sa.String(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("licence_number_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fields_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_licences")),
        sa.UniqueConstraint("identifier", name=op.f("uq_licences_identifier")),
    )
    op.create_index("ix_licences_id", "licences", ["id"], unique=True)
    op.create_index("ix_licences_issuer", "licences", ["issuer_code", "type_code", "id"], unique=False)
    op.create_table(
        "officers",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("department_code", sa.String(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "department_code", name=op.f("pk_officers")),
    )
    op.create_table(
        "portal_sessions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "client_id", name=op.f("pk_portal_sessions")),
    )
    op.create_index(op.f("ix_portal_sessions_signed_in_at"), "portal_sessions", ["signed_in_at"], unique=False)
    op.create_table(
        "presentations",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("presented_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_presentations")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_presentations_code_hash")),
    )
    op.create_index(op.f("ix_presentations_expires_at"), "presentations", ["expires_at"], unique=False)
    op.create_index("ix_presentations_waiting", "presentations", ["holder_id", "licence_id"], unique=False, postgresql_where="spent_at IS NULL")
    op.create_table(
        "receipts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=True),
        sa.Column("ledger_entry_id", sa.Uuid(), nullable=False),
        sa.Column("jws_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_answered", "receipts", ["issued_at"], unique=False, postgresql_where="answer_sealed IS NOT NULL")
    op.create_index("ix_receipts_officer", "receipts", ["officer_id", "id"], unique=False)
    op.create_table(
        "refresh_families",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("auth_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amr", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_families")),
    )
    op.create_index(op.f("ix_refresh_families_expires_at"), "refresh_families", ["expires_at"], unique=False)
    op.create_index(op.f("ix_refresh_families_holder_id"), "refresh_families", ["holder_id"], unique=False)
    op.create_table(
        "registry_organisations",
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("representative_index", sa.LargeBinary(), nullable=False),
        sa.Column("record_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number_index", name=op.f("pk_registry_organisations")),
    )
    op.create_index("ix_registry_organisations_representative", "registry_organisations", ["representative_index"], unique=False)
    op.create_table(
        "registry_people",
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("record_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number_index", name=op.f("pk_registry_people")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("use", sa.String(), nullable=False),
        sa.Column("suite", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("public_jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("chain", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_index(op.f("ix_signing_keys_use"), "signing_keys", ["use"], unique=False)
    op.create_index("uq_signing_keys_active", "signing_keys", ["use"], unique=True, postgresql_where=sa.text("state = 'active'"))
    op.create_table(
        "status_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("list_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_changes")),
    )
    op.create_table(
        "status_entries",
        sa.Column("list_id", sa.String(), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "index", name=op.f("pk_status_entries")),
    )
    op.create_index("ix_status_entries_set", "status_entries", ["list_id", "index", "status"], unique=False, postgresql_where=sa.text("status <> 0"))
    op.create_table(
        "status_lists",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_lists")),
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number_kind", sa.String(), nullable=False),
        sa.Column("number_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
        sa.UniqueConstraint("number_index", name=op.f("uq_subjects_number_index")),
    )
    op.create_table(
        "throttle_buckets",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("empty_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttle_buckets")),
    )
    op.create_index(op.f("ix_throttle_buckets_empty_at"), "throttle_buckets", ["empty_at"], unique=False)
    op.create_table(
        "uses",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("cause_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_uses")),
    )
    op.create_index("ix_uses_licence", "uses", ["holder_id", "licence_id", "id"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_accounts_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "signin_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("acting_for", sa.Uuid(), nullable=True),
        sa.Column("auth_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amr", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["acting_for"], ["subjects.id"], name=op.f("fk_signin_sessions_acting_for_subjects")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_signin_sessions_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signin_sessions")),
    )
    op.create_index("ix_signin_sessions_seen_at", "signin_sessions", ["seen_at"], unique=False)
    op.create_index(op.f("ix_signin_sessions_subject_id"), "signin_sessions", ["subject_id"], unique=False)
    op.execute(KEEP_LEDGER)
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))


def downgrade() -> None:
    """Take the step back."""
    op.execute(DROP_QUEUE)
    op.drop_index(op.f("ix_signin_sessions_subject_id"), table_name="signin_sessions")
    op.drop_index("ix_signin_sessions_seen_at", table_name="signin_sessions")
    op.drop_table("signin_sessions")
    op.drop_table("accounts")
    op.drop_index("ix_uses_licence", table_name="uses")
    op.drop_table("uses")
    op.drop_index(op.f("ix_throttle_buckets_empty_at"), table_name="throttle_buckets")
    op.drop_table("throttle_buckets")
    op.drop_table("subjects")
    op.drop_table("status_lists")
    op.drop_index("ix_status_entries_set", table_name="status_entries", postgresql_where=sa.text("status <> 0"))
    op.drop_table("status_entries")
    op.drop_table("status_changes")
    op.drop_index("uq_signing_keys_active", table_name="signing_keys", postgresql_where=sa.text("state = 'active'"))
    op.drop_index(op.f("ix_signing_keys_use"), table_name="signing_keys")
    op.drop_table("signing_keys")
    op.drop_table("registry_people")
    op.drop_index("ix_registry_organisations_representative", table_name="registry_organisations")
    op.drop_table("registry_organisations")
    op.drop_index(op.f("ix_refresh_families_holder_id"), table_name="refresh_families")
    op.drop_index(op.f("ix_refresh_families_expires_at"), table_name="refresh_families")
    op.drop_table("refresh_families")
    op.drop_index("ix_receipts_officer", table_name="receipts")
    op.drop_index("ix_receipts_answered", table_name="receipts", postgresql_where="answer_sealed IS NOT NULL")
    op.drop_table("receipts")
    op.drop_index("ix_presentations_waiting", table_name="presentations", postgresql_where="spent_at IS NULL")
    op.drop_index(op.f("ix_presentations_expires_at"), table_name="presentations")
    op.drop_table("presentations")
    op.drop_index(op.f("ix_portal_sessions_signed_in_at"), table_name="portal_sessions")
    op.drop_table("portal_sessions")
    op.drop_table("officers")
    op.drop_index("ix_licences_issuer", table_name="licences")
    op.drop_index("ix_licences_id", table_name="licences")
    op.drop_table("licences")
    op.drop_table("licence_types")
    op.drop_table("ledger_nodes")
    op.drop_index("ix_ledger_entries_unsealed", table_name="ledger_entries", postgresql_where=sa.text("position IS NULL"))
    op.drop_table("ledger_entries")
    op.drop_table("ledger_checkpoints")
    op.drop_index(op.f("ix_idempotency_keys_made_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_events_order", table_name="events")
    op.drop_table("events")
    op.drop_table("departments")
    op.drop_table("data_keys")
    op.drop_index("ix_credentials_licence", table_name="credentials")
    op.drop_table("credentials")
    op.drop_table("consents")
    op.drop_table("clients")
    op.drop_table("client_assertions")
    op.drop_index(op.f("ix_authorization_codes_issued_at"), table_name="authorization_codes")
    op.drop_table("authorization_codes")
    op.drop_table("authorities")
    op.execute("DROP FUNCTION keep_ledger_entry")
