"""Documents"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for what is known of sealed documents."""
    op.create_table(
        "licence_documents",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_list", sa.String(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_licence_documents")),
    )
    op.create_index("ix_licence_documents_licence", "licence_documents", ["licence_id"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("licence_documents")
