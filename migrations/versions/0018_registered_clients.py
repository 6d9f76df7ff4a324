"""Registration by clients themselves"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ADDED = ("secret_expires_at", "former_secret_hash", "former_secret_expires_at")


def upgrade() -> None:
    """Let a client have two secrets while it changes them, each with its end."""
    op.add_column("clients", sa.Column("secret_expires_at", sa.DateTime(timezone=True)))
    op.add_column("clients", sa.Column("former_secret_hash", sa.LargeBinary()))
    op.add_column("clients", sa.Column("former_secret_expires_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Take the step back."""
    for name in reversed(ADDED):
        op.drop_column("clients", name)
