"""Passkeys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "passkey_owners",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("user_handle", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_passkey_owners_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_passkey_owners")),
        sa.UniqueConstraint("user_handle", name=op.f("uq_passkey_owners_user_handle")),
    )
    op.create_table(
        "passkeys",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("backup_eligible", sa.Boolean(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_passkeys_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_table(
        "spent_passkey_challenges",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_spent_passkey_challenges")),
    )
    op.create_index(op.f("ix_spent_passkey_challenges_expires_at"), "spent_passkey_challenges", ["expires_at"], unique=False)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index(op.f("ix_spent_passkey_challenges_expires_at"), table_name="spent_passkey_challenges")
    op.drop_table("spent_passkey_challenges")
    op.drop_table("passkeys")
    op.drop_table("passkey_owners")
