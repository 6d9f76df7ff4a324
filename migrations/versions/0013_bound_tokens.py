"""Proofs of possession and client authentication"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the secret of a client be kept sealed where it is the key of an HMAC (client_secret_jwt)."""
    op.add_column("clients", sa.Column("secret_sealed", sa.LargeBinary()))
    op.add_column("clients", sa.Column("former_secret_sealed", sa.LargeBinary()))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("clients", "former_secret_sealed")
    op.drop_column("clients", "secret_sealed")
