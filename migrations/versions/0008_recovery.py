"""Recovery, and accounts that close"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ABOUT_SOMEONE = sa.text("subject_id IS NOT NULL")


def upgrade() -> None:
    """Take the step."""
    op.add_column("accounts", sa.Column("password_void_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("accounts", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_ledger_entries_subject", "ledger_entries", ["subject_id", "id"], postgresql_where=ABOUT_SOMEONE)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_ledger_entries_subject", table_name="ledger_entries", postgresql_where=ABOUT_SOMEONE)
    op.drop_column("accounts", "closed_at")
    op.drop_column("accounts", "password_void_at")
