"""Flags that nobody has seen need no index of their own: no question asks for them alone, and there are few."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop it."""
    op.drop_index("ix_draw_flags_unseen", table_name="draw_flags")


def downgrade() -> None:
    """Make it again."""
    op.create_index("ix_draw_flags_unseen", "draw_flags", ["flagged_at"], postgresql_where=sa.text("seen_at IS NULL"))
