"""Notices by choice, and those of licences that end soon"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for what people want to hear of, and for how far each stage has told of ends."""
    op.create_table(
        "notice_choices",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("choice", sa.String(), nullable=False),
        sa.Column("is_wanted", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "choice", name=op.f("pk_notice_choices")),
    )
    op.create_table(
        "expiry_reminders",
        sa.Column("stage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("stage", name=op.f("pk_expiry_reminders")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("expiry_reminders")
    op.drop_table("notice_choices")
