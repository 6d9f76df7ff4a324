"""A department's receipts are found by their age"""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index each department's receipts in the order of their making."""
    op.create_index("ix_receipts_department", "receipts", ["department", "id"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_receipts_department", table_name="receipts")
