"""Devices, scanning to sign in, places by address"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("signin_sessions", sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False))
    op.add_column("signin_sessions", sa.Column("about_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("signin_sessions", sa.Column("mark_hash", sa.LargeBinary(), nullable=True))

    op.create_table(
        "place_ranges",
        sa.Column("network", postgresql.CIDR(), nullable=False),
        sa.Column("zh", sa.String(), nullable=False),
        sa.Column("en", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("network", name="pk_place_ranges"),
    )
    op.create_index(
        "ix_place_ranges_network", "place_ranges", ["network"], unique=False, postgresql_using="gist", postgresql_ops={"network": "inet_ops"}
    )
    op.create_table(
        "known_browsers",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("mark_hash", sa.LargeBinary(), nullable=False),
        sa.Column("about_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_known_browsers_subject_id_subjects"),
        sa.PrimaryKeyConstraint("subject_id", "id", name="pk_known_browsers"),
    )
    op.create_index("ix_known_browsers_seen_at", "known_browsers", ["seen_at"], unique=False)
    op.create_table(
        "signin_alarms",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("about_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_signin_alarms_subject_id_subjects"),
        sa.PrimaryKeyConstraint("subject_id", "id", name="pk_signin_alarms"),
    )
    op.create_index("ix_signin_alarms_at", "signin_alarms", ["at"], unique=False)
    op.create_index("ix_signin_alarms_secret_hash", "signin_alarms", ["secret_hash"], unique=True)
    op.create_table(
        "signin_scans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("qr_hash", sa.LargeBinary(), nullable=False),
        sa.Column("desk_hash", sa.LargeBinary(), nullable=False),
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("about_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("address_key", sa.LargeBinary(), nullable=False),
        sa.Column("asker", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("amr", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("auth_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_signin_scans_subject_id_subjects"),
        sa.PrimaryKeyConstraint("id", name="pk_signin_scans"),
    )
    op.create_index("ix_signin_scans_expires_at", "signin_scans", ["expires_at"], unique=False)
    op.create_index("ix_signin_scans_qr_hash", "signin_scans", ["qr_hash"], unique=True)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_signin_scans_qr_hash", table_name="signin_scans")
    op.drop_index("ix_signin_scans_expires_at", table_name="signin_scans")
    op.drop_table("signin_scans")
    op.drop_index("ix_signin_alarms_secret_hash", table_name="signin_alarms")
    op.drop_index("ix_signin_alarms_at", table_name="signin_alarms")
    op.drop_table("signin_alarms")
    op.drop_index("ix_known_browsers_seen_at", table_name="known_browsers")
    op.drop_table("known_browsers")
    op.drop_index("ix_place_ranges_network", table_name="place_ranges", postgresql_using="gist", postgresql_ops={"network": "inet_ops"})
    op.drop_table("place_ranges")
    op.drop_column("signin_sessions", "mark_hash")
    op.drop_column("signin_sessions", "about_sealed")
    op.drop_column("signin_sessions", "began_at")
