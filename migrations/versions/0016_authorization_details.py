"""Authorization details, resource servers, and access tokens that were given back"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Remember what a consent is for beyond scopes, know the APIs of others, and refuse tokens that were given back."""
    op.add_column("consents", sa.Column("agreed", JSONB(), nullable=False, server_default="{}"))
    op.create_table(
        "resource_servers",
        sa.Column("identifier", sa.String(), primary_key=True),
        sa.Column("name", JSONB(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("scopes", JSONB(), nullable=False),
        sa.Column("signing_alg", sa.String()),
        sa.Column("client_id", sa.String()),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("shard", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("jti", sa.String(), primary_key=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_revoked_tokens_expires_at", "revoked_tokens", ["expires_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("revoked_tokens")
    op.drop_table("resource_servers")
    op.drop_column("consents", "agreed")
