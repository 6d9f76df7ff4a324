"""Who acted for a holder where a licence was shown"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for who acted; of earlier uses it is not told."""
    op.add_column("uses", sa.Column("acted_by", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("uses", "acted_by")
