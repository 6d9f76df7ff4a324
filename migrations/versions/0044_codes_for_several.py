"""One code for several licences"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep for which further licences a code stands."""
    op.add_column("presentations", sa.Column("also", postgresql.JSONB()))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("presentations", "also")
