"""A request to a wallet says in the open which types it asks for, so that whoever may show others alone is not asked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the requests that wait already, which last a week at most, it names none, and only who may show all is asked."""
    op.add_column("presentation_requests", sa.Column("types", JSONB(), server_default="[]", nullable=False))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("presentation_requests", "types")
