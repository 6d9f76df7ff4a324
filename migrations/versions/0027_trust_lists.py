"""Our trust list of issuers, and those of other provinces"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    """Make room for the list, for the turns that it tells of, and for others' lists."""
    op.create_table(
        "listed_services",
        sa.Column("department_code", sa.String(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_granted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("department_code", "type_code", "since", name=op.f("pk_listed_services")),
    )
    op.create_table(
        "own_trust_lists",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_update", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_own_trust_lists")),
    )
    op.create_table(
        "trust_list_sources",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("province", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("types", JSON, nullable=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("next_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fault", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trust_list_sources")),
    )


def downgrade() -> None:
    """Take the step back."""
    for table in ("trust_list_sources", "own_trust_lists", "listed_services"):
        op.drop_table(table)
