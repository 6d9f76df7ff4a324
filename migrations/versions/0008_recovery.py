"""Recovery, and accounts that close"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ABOUT_SOMEONE, STILL_OPEN = sa.text("subject_id IS NOT NULL"), sa.text("ended_at IS NULL")
ABOUT_ANOTHER = sa.text("subject_id IS NOT NULL AND starts_with(actor, 'subject:') AND actor <> 'subject:' || subject_id::text")
CONCERNS_ANOTHER = sa.text("detail ? 'person'")


def upgrade() -> None:
    """Take the step."""
    op.add_column("accounts", sa.Column("password_void_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("accounts", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "recoveries",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("cancel_hash", sa.LargeBinary(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_recoveries_subject_id_subjects")),
        sa.PrimaryKeyConstraint("subject_id", "id", name=op.f("pk_recoveries")),
    )
    op.create_index(op.f("ix_recoveries_expires_at"), "recoveries", ["expires_at"], unique=False)
    op.create_index("uq_recoveries_open", "recoveries", ["subject_id", "way"], unique=True, postgresql_where=STILL_OPEN)
    op.create_index("ix_ledger_entries_subject", "ledger_entries", ["subject_id", "id"], postgresql_where=ABOUT_SOMEONE)
    op.create_index("ix_ledger_entries_person", "ledger_entries", [sa.text("(detail ->> 'person')"), "id"], postgresql_where=CONCERNS_ANOTHER)
    op.create_index("ix_ledger_entries_actor", "ledger_entries", ["actor", "id"], postgresql_where=ABOUT_ANOTHER)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_ledger_entries_person", table_name="ledger_entries", postgresql_where=CONCERNS_ANOTHER)
    op.drop_index("ix_ledger_entries_actor", table_name="ledger_entries", postgresql_where=ABOUT_ANOTHER)
    op.drop_index("ix_ledger_entries_subject", table_name="ledger_entries", postgresql_where=ABOUT_SOMEONE)
    op.drop_table("recoveries")
    op.drop_column("accounts", "closed_at")
    op.drop_column("accounts", "password_void_at")
