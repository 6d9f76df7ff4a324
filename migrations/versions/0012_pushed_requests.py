"""Authorization requests that were pushed"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
TABLE = "authorization_requests"


def upgrade() -> None:
    """Add the requests that are kept until they are answered, with what they ask for sealed."""
    op.create_table(
        TABLE,
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("parameters_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("pushed", sa.Boolean(), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization_requests")),
    )
    op.create_index(op.f("ix_authorization_requests_ends_at"), TABLE, ["ends_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table(TABLE)
