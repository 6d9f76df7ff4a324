"""Approved on another device"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "apart_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("scopes", JSONB(), nullable=False),
        sa.Column("acr_values", sa.String(), server_default="", nullable=False),
        sa.Column("agreed", JSONB(), server_default="{}", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("interval", sa.Interval(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hurried", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("user_code_index", sa.LargeBinary(), nullable=True),
        sa.Column("about_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("address_key", sa.LargeBinary(), nullable=True),
        sa.Column("meant_for", sa.Uuid(), nullable=True),
        sa.Column("message_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("ping_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("holder_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("family_id", sa.Uuid(), nullable=True),
        sa.Column("auth_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amr", JSONB(), nullable=True),
        sa.Column("ial", sa.SmallInteger(), nullable=True),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apart_requests")),
    )
    op.create_index(op.f("ix_apart_requests_code_hash"), "apart_requests", ["code_hash"], unique=True)
    op.create_index(op.f("ix_apart_requests_expires_at"), "apart_requests", ["expires_at"], unique=False)
    op.create_index(
        "ix_apart_requests_meant_for",
        "apart_requests",
        ["meant_for"],
        unique=False,
        postgresql_where=sa.text("meant_for IS NOT NULL AND answered_at IS NULL"),
    )
    op.create_index(op.f("ix_apart_requests_user_code_index"), "apart_requests", ["user_code_index"], unique=True)
    op.create_table(
        "muted_clients",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "client_id", name=op.f("pk_muted_clients")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("muted_clients")
    op.drop_index(op.f("ix_apart_requests_user_code_index"), table_name="apart_requests")
    op.drop_index(
        "ix_apart_requests_meant_for", table_name="apart_requests", postgresql_where=sa.text("meant_for IS NOT NULL AND answered_at IS NULL")
    )
    op.drop_index(op.f("ix_apart_requests_expires_at"), table_name="apart_requests")
    op.drop_index(op.f("ix_apart_requests_code_hash"), table_name="apart_requests")
    op.drop_table("apart_requests")
