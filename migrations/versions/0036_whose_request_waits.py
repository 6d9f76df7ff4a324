"""A request that waits for a second officer says whose licence it is about"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the holders: those of licences that there are already; what else waits is sealed, and over within its seven days."""
    holders = sa.Column("holder_ids", postgresql.ARRAY(sa.Uuid()), nullable=False, server_default="{}")
    op.add_column("act_requests", holders)
    op.execute(
        "UPDATE act_requests SET holder_ids = (SELECT array_agg(one) FROM (SELECT holder_id AS one FROM licences WHERE id = licence_id"
        " UNION SELECT holder_id FROM licence_holders WHERE licence_holders.licence_id = act_requests.licence_id) AS theirs)"
        " WHERE EXISTS (SELECT FROM licences WHERE id = licence_id)"
    )
    op.alter_column("act_requests", "holder_ids", server_default=None)
    op.create_index("ix_act_requests_holders", "act_requests", ["holder_ids"], postgresql_using="gin")


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_act_requests_holders", table_name="act_requests")
    op.drop_column("act_requests", "holder_ids")
