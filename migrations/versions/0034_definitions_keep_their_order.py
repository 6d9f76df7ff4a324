"""Definitions of licence types keep the order in which they were written"""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep definitions as they were written: the other type sorts the members, and so the choices of a field."""
    op.execute("ALTER TABLE licence_types ALTER COLUMN definition TYPE json USING definition::json")


def downgrade() -> None:
    """Take the step back."""
    op.execute("ALTER TABLE licence_types ALTER COLUMN definition TYPE jsonb USING definition::jsonb")
