"""A receipt for a code of several licences is found and counted by each of their types"""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep the types of the licences besides the first."""
    op.add_column("receipts", sa.Column("further_types", sa.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("receipts", "further_types")
