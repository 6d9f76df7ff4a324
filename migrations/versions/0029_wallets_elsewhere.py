"""Wallets elsewhere"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
JSON = postgresql.JSONB(astext_type=sa.Text())
LIVE = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Make room for makers of wallets, offers, what is issued later, and what lives in wallets elsewhere."""
    op.create_table(
        "wallet_makers",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("jwks", JSON, nullable=True),
        sa.Column("roots", JSON, nullable=False),
        sa.Column("purposes", JSON, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_wallet_makers")),
    )
    op.create_table(
        "credentials_elsewhere",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("key_thumbprint", sa.String(), nullable=False),
        sa.Column("status_list", sa.String(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", sa.String(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_credentials_elsewhere")),
    )
    op.create_index("ix_credentials_elsewhere_licence", "credentials_elsewhere", ["holder_id", "licence_id"], postgresql_where=LIVE)
    op.create_index("ix_credentials_elsewhere_batch", "credentials_elsewhere", ["holder_id", "batch_id"])
    op.create_index("ix_credentials_elsewhere_expired", "credentials_elsewhere", ["expires_at"])
    op.create_table(
        "deferred_issuances",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("configuration", sa.String(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("keys", JSON, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "id_hash", name=op.f("pk_deferred_issuances")),
    )
    op.create_index(op.f("ix_deferred_issuances_made_at"), "deferred_issuances", ["made_at"])
    op.create_table(
        "credential_offers",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("reference_hash", sa.LargeBinary(), nullable=False),
        sa.Column("configurations", JSON, nullable=False),
        sa.Column("code_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=True),
        sa.Column("has_tx_code", sa.Boolean(), nullable=False),
        sa.Column("fetches", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_credential_offers")),
        sa.UniqueConstraint("reference_hash", name=op.f("uq_credential_offers_reference_hash")),
    )
    op.create_index(op.f("ix_credential_offers_made_at"), "credential_offers", ["made_at"])


def downgrade() -> None:
    """Take the step back."""
    for table in ("credential_offers", "deferred_issuances", "credentials_elsewhere", "wallet_makers"):
        op.drop_table(table)
