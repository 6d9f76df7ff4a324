"""Dead letters keep the order of a thing's events; readers of the outbox have their places"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
DEAD, LIVING = sa.text("refused IS NOT NULL"), sa.text("refused IS NULL")


def upgrade() -> None:
    """Say what an event is about, count its tries, find dead letters, and keep how far the outbox was read."""
    op.add_column("signal_tokens", sa.Column("about", sa.String(), nullable=True))
    op.add_column("signal_tokens", sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_signal_tokens_dead", "signal_tokens", ["stream_id", "about", "id"], postgresql_where=DEAD)
    op.create_index("ix_signal_tokens_living", "signal_tokens", ["made_at"], postgresql_where=LIVING)
    op.create_table(
        "outbox_readers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cursor_transaction", sa.BigInteger(), nullable=False),
        sa.Column("cursor_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_outbox_readers")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("outbox_readers")
    op.drop_index("ix_signal_tokens_living", table_name="signal_tokens")
    op.drop_index("ix_signal_tokens_dead", table_name="signal_tokens")
    op.drop_column("signal_tokens", "tries")
    op.drop_column("signal_tokens", "about")
