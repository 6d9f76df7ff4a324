"""What each matter needs of a licence, and draws that are watched"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None
MOMENT, LIST = sa.DateTime(timezone=True), postgresql.JSONB()


def upgrade() -> None:
    """Make room for fields by matter, for a line of each draw on authority, and for what looked odd."""
    op.create_table(
        "matter_fields",
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("matter", sa.String(), nullable=False),
        sa.Column("fields", LIST, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("type_code", "matter", name=op.f("pk_matter_fields")),
    )
    op.create_table(
        "watched_draws",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watched_draws")),
    )
    op.create_index(op.f("ix_watched_draws_at"), "watched_draws", ["at"])
    op.create_table(
        "draw_flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("department", sa.String(), nullable=True),
        sa.Column("system", sa.String(), nullable=True),
        sa.Column("types", LIST, nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("flagged_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("seen_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draw_flags")),
        sa.UniqueConstraint("pattern", "key", "day", name=op.f("uq_draw_flags_pattern_key_day")),
    )
    op.create_index(op.f("ix_draw_flags_flagged_at"), "draw_flags", ["flagged_at"])
    op.create_index("ix_draw_flags_unseen", "draw_flags", ["flagged_at"], postgresql_where=sa.text("seen_at IS NULL"))


def downgrade() -> None:
    """Take the step back."""
    for table in ("draw_flags", "watched_draws", "matter_fields"):
        op.drop_table(table)
