"""Answers through the browser"""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add nothing: what goes through the browser is sealed there, and a portal's part of a session is cut in the table of cuts."""


def downgrade() -> None:
    """Take nothing back."""
