"""Licences are found by their number, and watched as they end"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
WATCHED = sa.text("successor_id IS NULL AND valid_until IS NOT NULL")


def upgrade() -> None:
    """Make room for the index of a licence number, which a job fills for older licences, and let a look at a licence be a use without a receipt."""
    op.add_column("licences", sa.Column("licence_number_index", sa.LargeBinary(), nullable=True))
    op.create_index("ix_licences_number", "licences", ["licence_number_index"])
    op.create_index("ix_licences_unnumbered", "licences", ["id"], postgresql_where=sa.text("licence_number_index IS NULL"))
    op.create_index("ix_licences_watched", "licences", ["issuer_code", "valid_until"], postgresql_where=WATCHED)
    op.alter_column("uses", "receipt_id", nullable=True)


def downgrade() -> None:
    """Take the step back."""
    op.execute("DELETE FROM uses WHERE receipt_id IS NULL")
    op.alter_column("uses", "receipt_id", nullable=False)
    op.drop_index("ix_licences_watched", table_name="licences")
    op.drop_index("ix_licences_unnumbered", table_name="licences")
    op.drop_index("ix_licences_number", table_name="licences")
    op.drop_column("licences", "licence_number_index")
