"""What clients register beyond their addresses, and the terms of authorizations"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
COLUMNS = (("clients", "client_metadata"), ("authorization_codes", "agreed"), ("refresh_families", "agreed"))


def upgrade() -> None:
    """Add one document to each, empty at first."""
    for table, column in COLUMNS:
        op.add_column(table, sa.Column(column, postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False))


def downgrade() -> None:
    """Take the step back."""
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column)
