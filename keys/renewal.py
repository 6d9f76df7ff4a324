"""Keys with certificates, renewed before they end: a new key with a new certificate is made ahead, takes over, and the old private half is erased.

Whatever was signed before stays good: it carries its own certificate, which held when it signed. So the old public key and certificate are
never taken back. Whose certificate comes from an authority outside renews by a request (`kabao department csr`), as nobody
here can sign it; until it comes the log says so each day. No certificate outlasts its root: one that ends with it is renewed once
another root signs, which is a step that people take, and of which they are told a year ahead.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog
from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys import certificates, profiles, ring, token_keys
from keys.issued_certificates import IssuedCertificate
from keys.key_schedule import ACTOR, Planned, What
from keys.paths import fingerprint_of
from keys.ring import SigningKey
from runtime import backlog, ledger
from runtime.backlog import Backlog
from runtime.problems import Refusal
from runtime.settings import Settings

log = structlog.get_logger(__name__)
AHEAD = timedelta(days=60)
ROOT_AHEAD = timedelta(days=365)  # its successor is carried to all who verify before it signs
ENDING = """
SELECT count(*) FROM (
    SELECT 1 FROM signing_keys key JOIN certificates ON certificates.kid = key.kid
    WHERE key.state = 'active' GROUP BY key.kid HAVING max(certificates.ends_at) < now() + interval '45 days'
) ending"""
backlog.declare(Backlog("certificates_ending", "Keys that sign, whose certificate ends within 45 days", ENDING, is_aged=False))


def plan(session: Session, settings: Settings) -> list[Planned]:
    """Return the next step of each key that has a certificate, the first due first."""
    listed = list(ring.listed(session))
    rows = [row for row in listed if row.use != ring.ROOT and (row.chain or row.state == ring.NEXT) and row.use not in ring.ROTATED_USES]
    latest = _end_of_root(listed)
    return sorted([*_successions(session, rows, settings, latest=latest), *_ends(rows, settings)], key=lambda step: step.at)


def advance(session: Session, settings: Settings, *, now: datetime) -> list[Planned]:
    """Take every step that is due, and return those taken; one that cannot be, since its token is away, waits for the next time."""
    ring.alone(session)
    taken = []
    for step in plan(session, settings):
        if step.at <= now:
            try:
                with session.begin_nested():
                    _take(session, settings, step, now=now)
                taken.append(step)
            except Refusal as refusal:
                log.error("the renewal of a certificate waits", use=step.use, reason=refusal.reason)
    return taken


def renew(session: Session, settings: Settings, use: str, *, now: datetime, in_token: bool | None = None, actor: str = ring.OPERATOR) -> SigningKey:
    """Make the next key of a use, named as the present one, with a certificate under the root.

    It is made in the token or not as is wanted, else where the present one was. It signs once `switch` is called, or the worker finds that it was
    published long enough. Raises KeyNotReady, ModuleAway.
    """
    ring.alone(session)
    active = _one(session, use, ring.ACTIVE)
    if active is None or not active.chain:
        raise ring.KeyNotReady(f"{use} has no key with a certificate", field="use")
    if _one(session, use, ring.NEXT) is not None:
        raise ring.KeyNotReady(f"{use} has a next key already", field="use")
    holder = profiles.holder_of(certificates.leaf_of(active))
    return certificates.issue_leaf(
        session,
        settings,
        use=use,
        common_name=holder.name,
        uri=holder.uri,
        organisation_code=holder.code,
        state=ring.NEXT,
        in_token=active.token is not None if in_token is None else in_token,
        now=now,
        actor=actor,
    )


def switch(session: Session, use: str, *, now: datetime, actor: str = ring.OPERATOR) -> SigningKey:
    """Let the next key of a use sign; raises KeyNotReady if there is none, it has no certificate yet, or it was published a moment ago."""
    ring.alone(session)
    following = _one(session, use, ring.NEXT)
    if following is None or not following.chain:
        raise ring.KeyNotReady(f"{use} has no next key with a certificate", field="use")
    return ring.activate_next(session, use, now=now, actor=actor)


def _end_of_root(rows: list[SigningKey]) -> datetime | None:
    """Return when the root that signs ends, and so every certificate under it at the latest."""
    root = next((row for row in rows if row.use == ring.ROOT and row.state == ring.ACTIVE), None)
    return certificates.root_certificate_of(root).not_valid_after_utc if root is not None else None


def _successions(session: Session, rows: list[SigningKey], settings: Settings, *, latest: datetime | None) -> Iterator[Planned]:
    """Plan each successor; none that would end with the one before, at a root's end, or each would have another an hour later."""
    for active in (row for row in rows if row.state == ring.ACTIVE):
        following = next((row for row in rows if row.state == ring.NEXT and row.use == active.use), None)
        if following is not None and following.chain:
            yield Planned(What.SIGN, active.use, active.suite, following.kid, following.made_at + settings.key_published_ahead)
        elif following is None and not _is_from_outside(session, certificates.leaf_of(active)):
            ends = certificates.leaf_of(active).not_valid_after_utc
            if latest is not None and latest > ends:
                yield Planned(What.PUBLISH, active.use, active.suite, None, ends - AHEAD, active.token is not None)


def _ends(rows: list[SigningKey], settings: Settings) -> Iterator[Planned]:
    for row in rows:
        if row.state == ring.RETIRED and (row.wrapped is not None or row.token is not None):
            yield Planned(What.ERASE, row.use, row.suite, row.kid, row.changed_at + settings.key_retired)


def _take(session: Session, settings: Settings, step: Planned, *, now: datetime) -> None:
    if step.what is What.PUBLISH:
        renew(session, settings, step.use, now=now, actor=ACTOR)
    elif step.what is What.SIGN:
        switch(session, step.use, now=now, actor=ACTOR)
    else:
        _erase(session, settings, session.get_one(SigningKey, step.kid, with_for_update=True), now=now)


def _erase(session: Session, settings: Settings, row: SigningKey, *, now: datetime) -> None:
    """Erase the private half; the public one goes on verifying."""
    if row.token is not None:
        token_keys.destroy(settings, row.token)
    row.wrapped = row.token = None
    ledger.record(session, "key.erased", actor=ACTOR, object_id=row.kid, now=now, use=row.use)


def warn_of_ends(session: Session, *, now: datetime) -> int:
    """Log what people must renew: the root, if it ends soon, and each certificate from outside that does; returns how many."""
    ends_at = _end_of_root(list(ring.listed(session)))
    is_root_ending = ends_at is not None and ends_at - ROOT_AHEAD <= now
    if is_root_ending:
        log.warning("the root ends, and all certificates with it; make the next: kabao keys root publish", ends=str(ends_at))
    ending = [
        row
        for row in session.scalars(select(SigningKey).where(SigningKey.state == ring.ACTIVE, SigningKey.use.startswith(certificates.DEPARTMENT)))
        if row.chain and certificates.leaf_of(row).not_valid_after_utc - AHEAD <= now and _is_from_outside(session, certificates.leaf_of(row))
    ]
    for row in ending:
        ends = certificates.leaf_of(row).not_valid_after_utc
        log.warning("a certificate from an authority outside ends; renew it by kabao department csr", kid=row.kid, ends=ends.isoformat())
    return len(ending) + is_root_ending


def _is_from_outside(session: Session, leaf: x509.Certificate) -> bool:
    row = session.get(IssuedCertificate, fingerprint_of(leaf))
    return row is not None and row.issuer_kid is None


def _one(session: Session, use: str, state: str) -> SigningKey | None:
    return session.scalars(select(SigningKey).where(SigningKey.use == use, SigningKey.state == state)).one_or_none()
