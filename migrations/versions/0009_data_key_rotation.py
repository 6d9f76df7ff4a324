"""Rotation of the data keys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give the data keys their states, and rotations a memory."""
    op.add_column("data_keys", sa.Column("used_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("data_keys", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE data_keys SET used_from = made_at")
    op.alter_column("data_keys", "used_from", nullable=False)
    op.alter_column("data_keys", "wrapped", nullable=True)
    op.create_table(
        "data_key_rotations",
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moves_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_up", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("purpose", "version", name=op.f("pk_data_key_rotations")),
    )
    op.create_table(
        "data_key_rotation_steps",
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("renewed", sa.BigInteger(), nullable=False),
        sa.Column("broken", sa.BigInteger(), nullable=False),
        sa.Column("cursor", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["purpose", "version"], ["data_key_rotations.purpose", "data_key_rotations.version"], name="fk_data_key_rotation_steps_rotation"
        ),
        sa.PrimaryKeyConstraint("purpose", "version", "table_name", name=op.f("pk_data_key_rotation_steps")),
    )


def downgrade() -> None:
    """Take the step back. A key that is gone has left nothing to read, so its row goes, too."""
    op.drop_table("data_key_rotation_steps")
    op.drop_table("data_key_rotations")
    op.execute("DELETE FROM data_keys WHERE wrapped IS NULL")
    op.alter_column("data_keys", "wrapped", nullable=False)
    op.drop_column("data_keys", "gone_at")
    op.drop_column("data_keys", "used_from")
