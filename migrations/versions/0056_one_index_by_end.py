"""One index of a department's licences by their end, where there were two: the whole one serves the watch as well.

The watch's page looks over renewed licences on its way, 20 for each that it shows where 95 of 100 were renewed: 0.45 ms for 0.18.
"""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the index of those that were not renewed."""
    op.drop_index("ix_licences_watched", table_name="licences")


def downgrade() -> None:
    """Make it again."""
    watched = sa.text("successor_id IS NULL AND valid_until IS NOT NULL")
    op.create_index("ix_licences_watched", "licences", ["issuer_code", "valid_until", "id"], postgresql_where=watched)
