"""Events of a database that was restored into another PostgreSQL come after those that it had before"""

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Number events by the transaction and by how far the numbers of another PostgreSQL had got; `kabao init` sets that, and it is nothing else."""
    # STABLE, not IMMUTABLE: then its body is put into each plan, and a plan is made anew when it changes
    op.execute("CREATE FUNCTION events_shift() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT 0::bigint'")
    op.execute("ALTER TABLE events ALTER COLUMN transaction SET DEFAULT ((pg_current_xact_id()::text)::bigint + events_shift())")


def downgrade() -> None:
    """Take the step back."""
    op.execute("ALTER TABLE events ALTER COLUMN transaction SET DEFAULT ((pg_current_xact_id()::text)::bigint)")
    op.execute("DROP FUNCTION events_shift()")
