"""Favourites"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the licences that people keep at hand."""
    op.create_table(
        "favourites",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "licence_id", name=op.f("pk_favourites")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("favourites")
