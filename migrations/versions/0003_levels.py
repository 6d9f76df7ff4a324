"""How well a person is known, and what a scope demands"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Every account so far was opened by a number and a name that the registry knew, so its owner is known at level 2 from that day on.
BACKFILL = """
INSERT INTO identity_proofs (subject_id, id, level, method, proved_at, expires_at)
SELECT subject_id, gen_random_uuid(), 2, 'registry', opened_at, opened_at + interval '730 days' FROM accounts
"""


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "identity_proofs",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=True),
        sa.Column("department", sa.String(), nullable=True),
        sa.Column("department_name", postgresql.JSONB(), nullable=True),
        sa.Column("document_type", sa.String(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_identity_proofs")),
    )
    op.create_index("ix_identity_proofs_expires_at", "identity_proofs", ["expires_at"])
    op.execute(BACKFILL)
    op.create_table(
        "stated_numbers",
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("number_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_stated_numbers_subject_id_subjects")),
        sa.PrimaryKeyConstraint("number_index", name=op.f("pk_stated_numbers")),
    )
    op.create_index(op.f("ix_stated_numbers_subject_id"), "stated_numbers", ["subject_id"])
    op.create_table(
        "counter_codes",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_counter_codes")),
    )
    op.create_index(op.f("ix_counter_codes_made_at"), "counter_codes", ["made_at"])
    op.add_column("clients", sa.Column("levels", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("authorization_codes", sa.Column("ial", sa.SmallInteger(), server_default="1", nullable=False))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("authorization_codes", "ial")
    op.drop_column("clients", "levels")
    op.drop_table("counter_codes")
    op.drop_table("stated_numbers")
    op.drop_index("ix_identity_proofs_expires_at", table_name="identity_proofs")
    op.drop_table("identity_proofs")
