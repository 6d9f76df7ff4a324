"""A stream that an operator stopped says so, since its receiver could let it go on."""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None
STOPPED = "SELECT id::text FROM signal_streams WHERE status <> 'enabled'"
HELD = """
UPDATE signal_streams SET is_held = true WHERE id::text IN (
    SELECT object_id FROM (
        SELECT DISTINCT ON (object_id) object_id, actor FROM ledger_entries
        WHERE act = 'stream.status' AND object_id = ANY (:ids) ORDER BY object_id, id DESC
    ) latest WHERE starts_with(actor, 'operator')
)
"""


def upgrade() -> None:
    """Add the column; of those that stand still the ledger knows by whose act."""
    op.add_column("signal_streams", sa.Column("is_held", sa.Boolean(), server_default=sa.false(), nullable=False))
    connection = op.get_bind()
    stopped = list(connection.scalars(sa.text(STOPPED)))
    if stopped:
        connection.execute(sa.text(HELD), {"ids": stopped})


def downgrade() -> None:
    """Drop it."""
    op.drop_column("signal_streams", "is_held")
