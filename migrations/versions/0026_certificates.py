"""Certificates, what was revoked, and roots of authorities outside"""

import base64
import hashlib

import sqlalchemy as sa
from alembic import op
from cryptography import x509

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room, and take in the certificates that there are."""
    certificates = op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("use", sa.String(), nullable=False),
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("issuer_kid", sa.String(), nullable=True),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_certificates")),
    )
    op.create_index(op.f("ix_certificates_use"), "certificates", ["use"])
    op.create_index(op.f("ix_certificates_issuer_kid"), "certificates", ["issuer_kid"])
    op.create_table(
        "trust_anchors",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_trust_anchors")),
    )
    op.create_table(
        "revocation_lists",
        sa.Column("issuer_kid", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_update", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("issuer_kid", name=op.f("pk_revocation_lists")),
    )
    keys = op.get_bind().execute(sa.text("SELECT kid, use, chain, made_at FROM signing_keys WHERE chain IS NOT NULL AND chain <> 'null'")).all()
    root = next((row.kid for row in keys if row.use == "root"), None)
    rows = [_row(row, root) for row in keys if row.use != "root"]
    if rows:
        op.bulk_insert(certificates, rows)


def downgrade() -> None:
    """Take the step back."""
    for table in ("revocation_lists", "trust_anchors", "certificates"):
        op.drop_table(table)


def _row(key: sa.Row, root: str | None) -> dict[str, object]:
    der = base64.b64decode(key.chain[0])
    certificate = x509.load_der_x509_certificate(der)
    owner = {"use": key.use, "kid": key.kid, "issuer_kid": root, "made_at": key.made_at}
    period = {"begins_at": certificate.not_valid_before_utc, "ends_at": certificate.not_valid_after_utc}
    return {"fingerprint": hashlib.sha256(der).hexdigest(), "der": der, **owner, **period}
