"""Trust bundles as commands read them from files."""

from pathlib import Path

import click
from cryptography import x509

from runtime.clock import now
from wallet.verifying.bundles import BadBundle, Bundle, read_bundle

HOUR = 3600


def load(unverified: bytes, root: Path) -> Bundle:
    """Read a bundle under a root in a file; raises UsageError, which says what is wrong."""
    try:
        roots = tuple(x509.load_pem_x509_certificates(root.read_bytes()))
        return read_bundle(unverified, roots=roots, now=now())
    except BadBundle as error:
        raise click.UsageError(f"{error}.") from error
    except ValueError as error:
        raise click.UsageError(f"{root} holds no certificate in PEM.") from error


def age_of(bundle: Bundle) -> str:
    """Return how old a bundle is, in words."""
    hours, seconds = divmod(int(max(0, bundle.age_at(now()))), HOUR)
    return f"{hours} h {seconds // 60} min"
