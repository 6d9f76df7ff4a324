"""A department's draws, and the use that a receipt is for, are found by an index"""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index draws by department, and uses by their receipt."""
    op.create_index("ix_watched_draws_department", "watched_draws", ["department", "id"])
    op.create_index("ix_uses_receipt", "uses", ["holder_id", "receipt_id"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_uses_receipt", "uses")
    op.drop_index("ix_watched_draws_department", "watched_draws")
