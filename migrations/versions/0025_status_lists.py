"""Status lists in two widths and two forms, with their past"""

import zlib

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
SIZE, BITS = 2**20, 2
SET = "SELECT index, status FROM status_entries WHERE list_id = :id AND status <> 0"
KEEP = "UPDATE status_lists SET lst = :lst, base = :lst, base_at = now(), built_at = now() - interval '13 hours' WHERE id = :id"


def upgrade() -> None:
    """Keep each list's array beside its token, number what changes in it, and remember what changed; a list's history begins now."""
    op.drop_table("status_changes")
    op.create_table(
        "status_changes",
        sa.Column("list_id", sa.String(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "id", name=op.f("pk_status_changes")),
    )
    op.create_table(
        "status_builds",
        sa.Column("list_id", sa.String(), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "built_at", name=op.f("pk_status_builds")),
    )
    op.add_column("status_lists", sa.Column("bits", sa.SmallInteger(), nullable=False, server_default=str(BITS)))
    for name in ("cwt", "lst", "base"):
        op.add_column("status_lists", sa.Column(name, sa.LargeBinary(), nullable=False, server_default=""))
    op.add_column("status_lists", sa.Column("base_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()))
    for name in ("bits", "cwt", "lst", "base", "base_at"):
        op.alter_column("status_lists", name, server_default=None)
    _pack_lists()
    op.drop_index("ix_status_entries_set", table_name="status_entries")


def _pack_lists() -> None:
    """Pack what stands in each list now; the worker signs it anew, since it seems old."""
    connection = op.get_bind()
    for (list_id,) in connection.execute(sa.text("SELECT id FROM status_lists")).all():
        packed = bytearray(SIZE * BITS // 8)
        for index, status in connection.execute(sa.text(SET), {"id": list_id}):
            packed[index >> 2] |= status << (index & 3) * BITS
        connection.execute(sa.text(KEEP), {"id": list_id, "lst": zlib.compress(packed, 9)})


def downgrade() -> None:
    """Forget the past and the second form; lists of one bit become of no use to the code before, which reads them as two."""
    op.create_index("ix_status_entries_set", "status_entries", ["list_id", "index", "status"], unique=False, postgresql_where=sa.text("status <> 0"))
    for name in ("bits", "cwt", "lst", "base", "base_at"):
        op.drop_column("status_lists", name)
    op.drop_table("status_builds")
    op.drop_table("status_changes")
    op.create_table(
        "status_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("list_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_changes")),
    )
    op.execute("INSERT INTO status_changes (list_id) SELECT id FROM status_lists")
