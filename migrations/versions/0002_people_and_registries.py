"""What becomes of people and organisations, and registries that are asked over HTTP"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("subjects", sa.Column("state", sa.String(), server_default="active", nullable=False))
    op.add_column("subjects", sa.Column("state_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "former_numbers",
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("number_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_former_numbers_subject_id_subjects")),
        sa.PrimaryKeyConstraint("number_index", name=op.f("pk_former_numbers")),
    )
    op.create_index(op.f("ix_former_numbers_subject_id"), "former_numbers", ["subject_id"], unique=False)
    op.create_table(
        "subject_changes",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_by", sa.String(), nullable=False),
        sa.Column("happened_on", sa.Date(), nullable=True),
        sa.Column("values_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_subject_changes_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_subject_changes")),
    )
    op.create_table(
        "registry_answers",
        sa.Column("question_index", sa.LargeBinary(), nullable=False),
        sa.Column("asked", sa.String(), nullable=False),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("question_index", name=op.f("pk_registry_answers")),
    )
    op.create_index(op.f("ix_registry_answers_expires_at"), "registry_answers", ["expires_at"], unique=False)
    op.create_table(
        "registry_updates",
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "id_hash", name=op.f("pk_registry_updates")),
    )
    op.create_index(op.f("ix_registry_updates_told_at"), "registry_updates", ["told_at"], unique=False)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index(op.f("ix_registry_updates_told_at"), table_name="registry_updates")
    op.drop_table("registry_updates")
    op.drop_index(op.f("ix_registry_answers_expires_at"), table_name="registry_answers")
    op.drop_table("registry_answers")
    op.drop_table("subject_changes")
    op.drop_index(op.f("ix_former_numbers_subject_id"), table_name="former_numbers")
    op.drop_table("former_numbers")
    op.drop_column("subjects", "state_since")
    op.drop_column("subjects", "state")
