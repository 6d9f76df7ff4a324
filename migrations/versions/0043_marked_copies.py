"""Marked copies"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for marked copies and their links."""
    op.create_table(
        "marked_copies",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("marking_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("pdf_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("link_hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("link_ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_marked_copies")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_marked_copies_link_hash")),
    )
    op.create_index("ix_marked_copies_licence", "marked_copies", ["holder_id", "licence_id", "id"])
    op.create_index("ix_marked_copies_waiting", "marked_copies", ["link_ends_at"], postgresql_where=sa.text("pdf_sealed IS NOT NULL"))


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("marked_copies")
