"""Authority by act, and acts that wait for a second officer"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    """Let an authority be for some acts, and know by whom it was given; make room for acts that wait for another's approval."""
    op.add_column("authorities", sa.Column("acts", JSON, nullable=True))
    op.add_column("authorities", sa.Column("granted_by", sa.String(), server_default="operator", nullable=False))
    op.create_table(
        "act_requests",
        sa.Column("department_code", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=True),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_by_client", sa.String(), nullable=True),
        sa.Column("made_by_person", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by_client", sa.String(), nullable=True),
        sa.Column("decided_by_person", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result_id", sa.Uuid(), nullable=True),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("department_code", "id", name=op.f("pk_act_requests")),
    )
    op.create_index("ix_act_requests_expires_at", "act_requests", ["expires_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("act_requests")
    op.drop_column("authorities", "granted_by")
    op.drop_column("authorities", "acts")
