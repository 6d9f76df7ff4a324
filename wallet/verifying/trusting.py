"""What this installation trusts when it verifies: its roots, and what other provinces' trust lists say of their issuers."""

from keys import certificates
from wallet.verifying.checks import Trust


def current_trust() -> Trust:
    """Return what credentials are judged by now, from the process's cache; raises KeyNotReady."""
    anchors = certificates.anchors()
    return Trust(anchors.roots, anchors.revoked, anchors.outside, anchors.imported)
