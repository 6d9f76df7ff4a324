"""Mandates, guardians, and tokens that end at once"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "token_cutoffs",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("cut_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "holder_id", name=op.f("pk_token_cutoffs")),
    )
    op.create_index(op.f("ix_token_cutoffs_cut_at"), "token_cutoffs", ["cut_at"], unique=False)
    op.create_index("ix_refresh_families_person", "refresh_families", ["person_id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("ix_refresh_families_session", "refresh_families", ["session_id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "mandates",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("types", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("portals", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("may_delegate", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_why", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["holder_id"], ["subjects.id"], name=op.f("fk_mandates_holder_id_subjects")),
        sa.ForeignKeyConstraint(["person_id"], ["subjects.id"], name=op.f("fk_mandates_person_id_subjects")),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_mandates")),
    )
    op.create_index("ix_mandates_granted_by", "mandates", ["holder_id", "granted_by"], unique=False)
    op.create_index("ix_mandates_person", "mandates", ["person_id"], unique=False, postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index(
        "uq_mandates_representative",
        "mandates",
        ["holder_id"],
        unique=True,
        postgresql_where=sa.text("role = 'legal_representative' AND ended_at IS NULL"),
    )
    op.create_index("uq_mandates_standing", "mandates", ["holder_id", "person_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL"))
    op.add_column("portal_sessions", sa.Column("holder_id", sa.Uuid(), nullable=True))
    op.drop_constraint("pk_consents", "consents")
    op.create_primary_key("pk_consents", "consents", ["holder_id", "client_id", "given_by"])
    op.add_column("presentations", sa.Column("person_id", sa.Uuid(), nullable=True))
    op.create_table(
        "mandate_queries",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("cause_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["holder_id"], ["subjects.id"], name=op.f("fk_mandate_queries_holder_id_subjects")),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_mandate_queries")),
    )
    op.create_index(op.f("ix_mandate_queries_at"), "mandate_queries", ["at"], unique=False)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index(op.f("ix_mandate_queries_at"), table_name="mandate_queries")
    op.drop_table("mandate_queries")
    op.drop_column("presentations", "person_id")
    # of several who consented for one holder the last remains
    op.execute(
        "DELETE FROM consents AS one USING consents AS other WHERE one.holder_id = other.holder_id AND one.client_id = other.client_id"
        " AND (one.given_at, one.given_by) < (other.given_at, other.given_by)"
    )
    op.drop_constraint("pk_consents", "consents")
    op.create_primary_key("pk_consents", "consents", ["holder_id", "client_id"])
    op.drop_column("portal_sessions", "holder_id")
    op.drop_index("uq_mandates_standing", table_name="mandates", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("uq_mandates_representative", table_name="mandates", postgresql_where=sa.text("role = 'legal_representative' AND ended_at IS NULL"))
    op.drop_index("ix_mandates_person", table_name="mandates", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_mandates_granted_by", table_name="mandates")
    op.drop_table("mandates")
    op.drop_index("ix_refresh_families_session", table_name="refresh_families")
    op.drop_index("ix_refresh_families_person", table_name="refresh_families")
    op.drop_index(op.f("ix_token_cutoffs_cut_at"), table_name="token_cutoffs")
    op.drop_table("token_cutoffs")
