"""For which department an officer of several acts is kept with the session"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep one choice a session, for as long as that lasts."""
    op.create_table(
        "desk_choices",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("department_code", sa.String(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["signin_sessions.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id"),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("desk_choices")
