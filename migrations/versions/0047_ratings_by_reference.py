"""Departments know ratings by a random reference"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give each rating a reference that tells nothing of the use's moment."""
    op.add_column("ratings", sa.Column("reference", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False))
    op.alter_column("ratings", "reference", server_default=None)


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("ratings", "reference")
