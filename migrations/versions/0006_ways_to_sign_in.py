"""Addresses, one-time codes, TOTP and recovery codes, notices"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "contacts",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("value_index", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_contacts_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_contacts")),
    )
    op.create_index(
        "uq_contacts_subject_id_value_index", "contacts", ["subject_id", "value_index"], unique=True, postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_table(
        "notices",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("values_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("link_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_notices_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_at"), "notices", ["at"], unique=False)
    op.create_table(
        "one_time_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bound_to", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_one_time_codes_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_codes")),
    )
    op.create_index(op.f("ix_one_time_codes_expires_at"), "one_time_codes", ["expires_at"], unique=False)
    op.create_index("uq_one_time_codes_open", "one_time_codes", ["bound_to", "purpose"], unique=True, postgresql_where=sa.text("spent_at IS NULL"))
    op.create_table(
        "pending_signins",
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("amr", postgresql.JSONB(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_pending_signins_subject_id_subjects")),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_pending_signins")),
        sa.UniqueConstraint("id", name=op.f("uq_pending_signins_id")),
    )
    op.create_index(op.f("ix_pending_signins_expires_at"), "pending_signins", ["expires_at"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_recovery_codes_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "totp_authenticators",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_totp_authenticators_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_totp_authenticators")),
    )
    op.create_table(
        "trusted_browsers",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("trusted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_trusted_browsers_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_trusted_browsers")),
    )
    op.create_index(op.f("ix_trusted_browsers_expires_at"), "trusted_browsers", ["expires_at"], unique=False)
    op.add_column("accounts", sa.Column("language", sa.String(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("accounts", "language")
    op.drop_index(op.f("ix_trusted_browsers_expires_at"), table_name="trusted_browsers")
    op.drop_table("trusted_browsers")
    op.drop_table("totp_authenticators")
    op.drop_table("recovery_codes")
    op.drop_index(op.f("ix_pending_signins_expires_at"), table_name="pending_signins")
    op.drop_table("pending_signins")
    op.drop_index("uq_one_time_codes_open", table_name="one_time_codes", postgresql_where=sa.text("spent_at IS NULL"))
    op.drop_index(op.f("ix_one_time_codes_expires_at"), table_name="one_time_codes")
    op.drop_table("one_time_codes")
    op.drop_index(op.f("ix_notices_at"), table_name="notices")
    op.drop_table("notices")
    op.drop_index("uq_contacts_subject_id_value_index", table_name="contacts", postgresql_where=sa.text("removed_at IS NULL"))
    op.drop_table("contacts")
