"""Lines that were imported before"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a line be found by what it says."""
    op.create_index("ix_batch_lines_digest", "batch_lines", ["digest"], postgresql_where=sa.text("licence_id IS NOT NULL"))


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_batch_lines_digest", table_name="batch_lines")
