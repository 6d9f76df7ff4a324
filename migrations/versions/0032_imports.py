"""Files under import"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the files that officers upload, and for their parts."""
    op.create_table(
        "import_files",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("started_by", sa.Uuid(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("told_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("parts_done", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_import_files")),
    )
    op.create_index(op.f("ix_import_files_department"), "import_files", ["department"])
    op.create_table(
        "import_parts",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rows_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "part", name=op.f("pk_import_parts")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("import_parts")
    op.drop_table("import_files")
