"""Answers as signed and encrypted tokens: an active key of each suite for what clients are answered with"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let two uses have several active keys, one of each suite."""
    active = sa.text("state = 'active'")
    op.drop_index("uq_signing_keys_active", table_name="signing_keys", postgresql_where=active)
    op.create_index("uq_signing_keys_active", "signing_keys", ["use", "suite"], unique=True, postgresql_where=active)
    alone = sa.text("state = 'active' AND use NOT IN ('oidc', 'encryption')")
    op.create_index("uq_signing_keys_alone", "signing_keys", ["use"], unique=True, postgresql_where=alone)


def downgrade() -> None:
    """Take the step back: of each use the ES256 key goes on signing, the others retire, and what only encrypts goes."""
    op.execute("DELETE FROM signing_keys WHERE use = 'encryption'")
    op.execute("UPDATE signing_keys SET state = 'retired' WHERE use = 'oidc' AND suite <> 'ES256' AND state IN ('active', 'next')")
    op.execute("DELETE FROM signing_keys WHERE suite NOT IN ('ES256', 'EdDSA')")
    active = sa.text("state = 'active'")
    op.drop_index("uq_signing_keys_alone", table_name="signing_keys", postgresql_where=sa.text("state = 'active'"))
    op.drop_index("uq_signing_keys_active", table_name="signing_keys", postgresql_where=active)
    op.create_index("uq_signing_keys_active", "signing_keys", ["use"], unique=True, postgresql_where=active)
