"""The first keys of an installation, made by `kabao init`; after an upgrade, those that are new since."""

from datetime import datetime

from sqlalchemy.orm import Session

from keys import certificates, revocation_lists, ring, sealing, suites
from runtime.settings import Settings


def init_keys(session: Session, settings: Settings, *, now: datetime) -> bool:
    """Make the data keys, the root and the service's own keys; returns False if they are there already. Of two at once the second finds them.

    Raises SealBroken if they were made under another master key.
    """
    ring.alone(session)
    if any(True for _ in ring.listed(session)):
        sealing.check_master_key(session, settings)
        _add_missing(session, settings, now=now)
        return False
    sealing.add_data_key(session, settings, sealing.SEAL, now=now)
    sealing.add_data_key(session, settings, sealing.INDEX, now=now)
    if settings.derivation_key is not None:
        sealing.keep_derivation(session, settings, now=now)
    certificates.create_root(session, settings, now=now)
    _add_missing(session, settings, now=now)
    return True


def _add_missing(session: Session, settings: Settings, *, now: datetime) -> None:
    """Give each use its first key, with its certificate or of each of its suites, if it never had one; and each root its revocation list."""
    revocation_lists.renew(session, settings, now=now)
    present = {(row.use, row.suite) for row in ring.listed(session)}
    of_any = {use for use, _ in present if use not in ring.MANY_SUITES}
    for use, usual in ring.USUAL_SUITES.items():
        for suite in usual:
            if use not in of_any and (use, suite) not in present:
                ring.add(session, settings, use=use, suite=suites.ALL_SUITES[suite], state=ring.ACTIVE, now=now)
    for use in set(ring.CERTIFIED_USES) - of_any:
        certificates.issue_leaf(session, settings, use=use, common_name=f"Kabao {use}", uri=f"{settings.public_url}/jwks/{use}", now=now)
