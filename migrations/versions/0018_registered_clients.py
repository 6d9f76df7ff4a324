"""Registration by clients themselves, and who the operators are"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ADDED = ("secret_expires_at", "former_secret_hash", "former_secret_expires_at")
TABLES = ("registration_policies", "initial_access_tokens", "client_registrations", "statement_issuers", "operators")


def _moment(name: str, **more: bool) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), **{"nullable": False, **more})


def upgrade() -> None:
    """Let a client have two secrets while it changes them; add policies, tokens, registrations, trusted issuers and operators."""
    op.add_column("clients", _moment("secret_expires_at", nullable=True))
    op.add_column("clients", sa.Column("former_secret_hash", sa.LargeBinary()))
    op.add_column("clients", _moment("former_secret_expires_at", nullable=True))
    op.create_table(
        "registration_policies",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        _moment("changed_at"),
    )
    op.create_table(
        "initial_access_tokens",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        _moment("issued_at"),
        _moment("expires_at"),
        _moment("revoked_at", nullable=True),
    )
    op.create_index("ix_initial_access_tokens_expires_at", "initial_access_tokens", ["expires_at"])
    op.create_table(
        "client_registrations",
        sa.Column("client_id", sa.String(), primary_key=True),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("initial_token_id", sa.Uuid()),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("former_token_hash", sa.LargeBinary()),
        sa.Column("software_statement", sa.String()),
        _moment("registered_at"),
    )
    op.create_index("ix_client_registrations_policy", "client_registrations", ["policy"])
    op.create_table(
        "statement_issuers",
        sa.Column("issuer", sa.String(), primary_key=True),
        sa.Column("jwks", postgresql.JSONB(), nullable=False),
        _moment("added_at"),
    )
    op.create_table("operators", sa.Column("subject_id", sa.Uuid(), primary_key=True), _moment("added_at"))


def downgrade() -> None:
    """Take the step back."""
    for name in reversed(TABLES):
        op.drop_table(name)
    for name in reversed(ADDED):
        op.drop_column("clients", name)
