"""A request that waits keeps which systems read it, so that one who polls is told to the holder once a state"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add who read it; nobody, of those that there are."""
    op.add_column("act_requests", sa.Column("read_by", ARRAY(sa.String()), server_default="{}", nullable=False))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("act_requests", "read_by")
