"""What is rare among a department's licences is found without reading the others"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
ARRIVING, DUE, APART = (sa.text(one) for one in ("transferred_to IS NOT NULL", "due_since IS NOT NULL", "state <> 'valid'"))


def upgrade() -> None:
    """Index what waits to be taken over, what is due for change, and what is not in force: few rows each, which no issuing touches."""
    op.create_index("ix_licences_arriving", "licences", ["transferred_to", "changed_at"], postgresql_where=ARRIVING)
    op.create_index("ix_licences_due", "licences", ["issuer_code", "type_code", "id"], postgresql_where=DUE)
    op.create_index("ix_licences_apart", "licences", ["issuer_code", "state", "type_code", "id"], postgresql_where=APART)


def downgrade() -> None:
    """Take the step back."""
    for name in ("apart", "due", "arriving"):
        op.drop_index(f"ix_licences_{name}", table_name="licences")
