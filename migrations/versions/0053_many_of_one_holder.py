"""A wallet's cards and its timeline are each read in the order of an index, however much its holder has"""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None
NOW = ["state", "valid_from", "valid_until", "successor_id"]


def upgrade() -> None:
    """Index licences by holder and type, with what tells how they stand, and turns by holder and effect."""
    op.create_index("ix_licences_held", "licences", ["holder_id", "type_code", "id"], postgresql_include=NOW)
    op.create_index("ix_licence_turns_lived", "licence_turns", ["holder_id", "effective_at", "id"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_licence_turns_lived", "licence_turns")
    op.drop_index("ix_licences_held", "licences")
