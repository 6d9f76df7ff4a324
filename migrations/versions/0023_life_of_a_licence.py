"""The life of a licence"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
JSON = postgresql.JSONB(astext_type=sa.Text())

# A turn is written once. Only a rotation of the data keys may seal its reason anew.
KEEP_TURNS = """
CREATE FUNCTION keep_licence_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - 'reason_sealed') = (to_jsonb(OLD) - 'reason_sealed')
        AND (NEW.reason_sealed IS NULL) = (OLD.reason_sealed IS NULL) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a turn of a licence''s life stays as it is' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER keep_licence_turn BEFORE UPDATE OR DELETE ON licence_turns
    FOR EACH ROW EXECUTE FUNCTION keep_licence_turn();
"""
# What was issued before has its first turn, and its second if it was revoked; why stays sealed with the licence itself.
FIRST_TURNS = """
INSERT INTO licence_turns (holder_id, id, licence_id, turn, act, state, at, effective_at, actor)
SELECT holder_id, id, id, 1, 'issue', 'valid', issued_at,
    least(issued_at, valid_from::timestamp AT TIME ZONE INTERVAL '+08:00'), 'department:' || issuer_code
FROM licences
"""
SECOND_TURNS = """
INSERT INTO licence_turns (holder_id, id, licence_id, turn, act, state, at, effective_at, actor)
SELECT holder_id, gen_random_uuid(), id, 2, act, state, changed_at, changed_at, 'department:' || issuer_code
FROM licences WHERE turn = 2
"""


def upgrade() -> None:
    """Let a licence take turns, have successors and several holders, and remember all of it."""
    for column in (
        sa.Column("act", sa.String(), server_default="issue", nullable=False),
        sa.Column("turn", sa.Integer(), server_default="1", nullable=False),
        sa.Column("holders", sa.Integer(), server_default="1", nullable=False),
        sa.Column("predecessor_id", sa.Uuid(), nullable=True),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.Column("transferred_to", sa.String(), nullable=True),
        sa.Column("gathered_by", sa.Uuid(), nullable=True),
        sa.Column("due_for", JSON, server_default="[]", nullable=False),
        sa.Column("due_since", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("licences", column)
    where = sa.text("state = 'valid' AND valid_until IS NOT NULL")
    op.create_index("ix_licences_ending", "licences", ["valid_until", "id"], postgresql_where=where)
    op.create_table(
        "licence_holders",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("first_holder_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("holder_id", "licence_id", name=op.f("pk_licence_holders")),
    )
    op.create_index("ix_licence_holders_licence", "licence_holders", ["licence_id"])
    op.create_table(
        "licence_turns",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("licence_id", sa.Uuid(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("related_id", sa.Uuid(), nullable=True),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "id", name=op.f("pk_licence_turns")),
    )
    op.execute("UPDATE licences SET act = 'revoke', turn = 2 WHERE state = 'revoked'")
    op.execute(FIRST_TURNS)
    op.execute(SECOND_TURNS)
    op.create_index("ix_licence_turns_licence", "licence_turns", ["holder_id", "licence_id", "turn"], unique=True)
    op.execute(KEEP_TURNS)


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("licence_turns")
    op.execute("DROP FUNCTION keep_licence_turn()")
    op.drop_table("licence_holders")
    op.drop_index("ix_licences_ending", "licences")
    for name in ("due_since", "due_for", "gathered_by", "transferred_to", "successor_id", "predecessor_id", "holders", "turn", "act"):
        op.drop_column("licences", name)
