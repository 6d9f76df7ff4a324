"""Keys in tokens"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the reference of a key that lives in a security module."""
    op.add_column("signing_keys", sa.Column("token", postgresql.JSONB(astext_type=sa.Text()), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("signing_keys", "token")
