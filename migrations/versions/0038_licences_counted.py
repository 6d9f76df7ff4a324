"""Licences are counted as they change, and those that end soon are read in the order of their ends"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
# What a licence counts as: how it stands; and the day on which it ends, while somebody should care. Acts are counted on the day they were done.
STANDS = "('standing', {row}.state, DATE '0001-01-01')"
ENDS = """('ending', '', CASE WHEN {row}.successor_id IS NULL AND ({row}.state = 'valid' OR {row}.state = 'lapsed' AND {row}.act = 'expire')
    THEN {row}.valid_until END)"""
ISSUED = "('act', 'issue', ({row}.issued_at AT TIME ZONE INTERVAL '+08:00')::date)"
CHANGED = "SELECT issuer_code, type_code, state, act, valid_until, successor_id, {by} AS by FROM {rows}"
KEY = "issuer_code, counted.kind, counted.what, counted.day, type_code"
ADD = "INSERT INTO licence_count_changes (department, kind, what, day, type_code, change)"


def _counted(*what: str) -> str:
    values = ", ".join(what).replace("{row}", "one")
    return f"CROSS JOIN LATERAL (VALUES {values}) counted (kind, what, day) WHERE counted.day IS NOT NULL"


ON_INSERT = f"{ADD} SELECT {KEY}, count(*) FROM added one {_counted(STANDS, ENDS, ISSUED)} GROUP BY {KEY};"  # noqa: S608 (all of it stands here)
ON_UPDATE = f"""
    {ADD} SELECT {KEY}, sum(one.by) FROM ({CHANGED.format(by=-1, rows="gone")} UNION ALL {CHANGED.format(by=1, rows="added")}) one
    {_counted(STANDS, ENDS)} GROUP BY {KEY} HAVING sum(one.by) <> 0;
    {ADD} SELECT one.issuer_code, 'act', one.act, (one.changed_at AT TIME ZONE INTERVAL '+08:00')::date, one.type_code, count(*)
    FROM added one JOIN gone USING (holder_id, id) WHERE one.turn > gone.turn GROUP BY 1, 2, 3, 4, 5;"""  # noqa: S608
ON_DELETE = f"{ADD} SELECT {KEY}, -count(*) FROM gone one {_counted(STANDS, ENDS, ISSUED)} GROUP BY {KEY};"  # noqa: S608
TRIGGER = """
CREATE FUNCTION count_licences_{what}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;
CREATE TRIGGER count_licences_{what} AFTER {what} ON licences REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION count_licences_{what}();
"""
TRIGGERS = (
    ("insert", "NEW TABLE AS added", ON_INSERT),
    ("update", "OLD TABLE AS gone NEW TABLE AS added", ON_UPDATE),
    ("delete", "OLD TABLE AS gone", ON_DELETE),
)
# Whatever there was before is counted once, after the triggers are there: from then on nobody writes until this ends.
COUNT_ALL = f"""
INSERT INTO licence_counts (department, kind, what, day, type_code, count)
SELECT {KEY}, count(*) FROM licences one {_counted(STANDS, ENDS, ISSUED)} GROUP BY {KEY}
UNION ALL SELECT l.issuer_code, 'act', t.act, (t.at AT TIME ZONE INTERVAL '+08:00')::date, l.type_code, count(*)
FROM licence_turns t JOIN licences l ON l.holder_id = t.holder_id AND l.id = t.licence_id WHERE t.turn > 1 GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608
COUNT_IMPORTS = """
UPDATE import_files f SET issued = lines.issued, refused = lines.refused FROM (
    SELECT batch_id, count(licence_id) AS issued, count(*) - count(licence_id) AS refused FROM batch_lines GROUP BY batch_id
) lines WHERE lines.batch_id = f.batch_id
"""
NOT_SUCCEEDED = sa.text("successor_id IS NULL AND valid_until IS NOT NULL")


def upgrade() -> None:
    """Count what each department's licences are and what was done with them."""
    op.create_table(
        "licence_counts",
        *_columns(),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("department", "kind", "day", "what", "type_code", name=op.f("pk_licence_counts")),
    )
    op.create_table(
        "licence_count_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *_columns(),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("department", "id", name=op.f("pk_licence_count_changes")),
    )
    op.execute("ALTER TABLE licence_count_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")
    for what, tables, body in TRIGGERS:
        op.execute(TRIGGER.format(what=what, tables=tables, body=body))
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(COUNT_ALL)
    for name in ("issued", "refused"):
        op.add_column("import_files", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.execute(COUNT_IMPORTS)
    op.drop_index("ix_licences_watched", table_name="licences")
    op.create_index("ix_licences_watched", "licences", ["issuer_code", "valid_until", "id"], postgresql_where=NOT_SUCCEEDED)
    op.create_index("ix_licences_until", "licences", ["issuer_code", "valid_until", "id"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_licences_until", table_name="licences")
    op.drop_index("ix_licences_watched", table_name="licences")
    op.create_index("ix_licences_watched", "licences", ["issuer_code", "valid_until"], postgresql_where=NOT_SUCCEEDED)
    for name in ("refused", "issued"):
        op.drop_column("import_files", name)
    for what, _, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER count_licences_{what} ON licences")
        op.execute(f"DROP FUNCTION count_licences_{what}()")
    op.drop_table("licence_count_changes")
    op.drop_table("licence_counts")


def _columns() -> list[sa.Column[object]]:
    names = ("department", "kind", "what", "type_code")
    return [*(sa.Column(name, sa.String(), nullable=False) for name in names), sa.Column("day", sa.Date(), nullable=False)]
