"""Tokens for tokens: whom the operator trusts, and codes that come with offers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables, and the indexes by which ended families and used assertions are found to be forgotten."""
    op.create_table(
        "trusted_issuers",
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("jwks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "issuer", name=op.f("pk_trusted_issuers")),
    )
    op.create_table(
        "pre_authorized_codes",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=True),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("agreed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tx_code_mac", sa.LargeBinary(), nullable=True),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_pre_authorized_codes")),
    )
    op.create_index(op.f("ix_pre_authorized_codes_issued_at"), "pre_authorized_codes", ["issued_at"])
    op.create_index(op.f("ix_client_assertions_expires_at"), "client_assertions", ["expires_at"])
    op.create_index("ix_refresh_families_ended", "refresh_families", ["ended_at"], postgresql_where=sa.text("ended_at IS NOT NULL"))


def downgrade() -> None:
    """Take the step back."""
    op.drop_index(op.f("ix_client_assertions_expires_at"), table_name="client_assertions")
    op.drop_index("ix_refresh_families_ended", table_name="refresh_families")
    op.drop_table("pre_authorized_codes")
    op.drop_table("trusted_issuers")
