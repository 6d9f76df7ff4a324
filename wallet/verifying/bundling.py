"""Making a trust bundle: what this installation judges by, in one signed document that is good for a day. It says nothing of any licence.

It is made again each minute at most, by whichever process is asked, and never at the price of a lock: the lists in it were signed ahead.
"""

import hashlib
import threading
from base64 import b64encode
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, current_app
from sqlalchemy import select, union
from sqlalchemy.orm import Session

from keys import certificates, ring
from keys.certificates import DEPARTMENT
from keys.issued_certificates import COMPROMISES, IssuedCertificate, encode
from runtime.database import transaction
from runtime.settings import Settings
from wallet.issuing.contents import type_uri
from wallet.issuing.status_lists import StatusList
from wallet.issuing.status_tokens import LIFETIME, uri_of
from wallet.issuing.trust_list import ListedService
from wallet.presenting import statements
from wallet.register import catalogue
from wallet.register.departments import Action, Authority, all_departments
from wallet.verifying import trust_sources
from wallet.verifying.bundles import TYPE

EXTENSION = "kabao_trust_bundle"
MADE_ANEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle as it is served."""

    token: bytes = field(repr=False)
    made_at: datetime
    etag: str


class Keeper:
    """What a process keeps: its newest bundle. One is made at a time."""

    def __init__(self) -> None:
        self._made: Made | None = None
        self._making = threading.Lock()

    def get(self, settings: Settings, *, now: datetime) -> Made:
        """Return a bundle that is a minute old at most; raises KeyNotReady, ModuleAway."""
        with self._making:
            if self._made is None or not timedelta(0) <= now - self._made.made_at < MADE_ANEW:
                self._made = make(settings, now=now)
            return self._made


def init_app(app: Flask) -> None:
    """Give the application its keeper."""
    app.extensions[EXTENSION] = Keeper()


def newest(*, now: datetime) -> Made:
    """Return the newest bundle of this process; raises KeyNotReady, ModuleAway."""
    keeper: Keeper = current_app.extensions[EXTENSION]
    return keeper.get(current_app.extensions["kabao_settings"], now=now)


def make(settings: Settings, *, now: datetime) -> Made:
    """Sign a bundle of what is so now; raises KeyNotReady, ModuleAway."""
    with transaction() as session:
        content = _content(session, settings, now=now)
    token = ring.signer(ring.TRUST_LIST).sign(content, typ=TYPE).encode()
    return Made(token, now, hashlib.sha256(token).hexdigest()[:32])


def _content(session: Session, settings: Settings, *, now: datetime) -> dict[str, Any]:
    anchors = certificates.anchors()
    return {
        "iss": settings.public_url,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "roots": [encode(one) for one in anchors.roots],
        "outside": [encode(one) for one in anchors.outside],
        "imported": sorted(anchors.imported),
        "revoked": {name: [one.at.timestamp(), one.is_compromised] for name, one in anchors.revoked.items()},
        "certificates": _certificates(session),
        "granted": _granted(session, settings),
        "names": _names(session, settings),
        "status_lists": {uri_of(settings, row.id): row.token for row in session.execute(select(StatusList.id, StatusList.token))},
        "trust_lists": [_source(row) for row in trust_sources.sources(session)],
    }


def _certificates(session: Session) -> dict[str, list[list[str]]]:
    """Return every department's certificates but those whose key was in other hands, each as a chain."""
    found: defaultdict[str, list[list[str]]] = defaultdict(list)
    held = select(IssuedCertificate).where(IssuedCertificate.use.startswith(DEPARTMENT)).order_by(IssuedCertificate.made_at)
    for row in session.scalars(held):
        if row.reason not in COMPROMISES:
            found[row.use.removeprefix(DEPARTMENT)].append([encode(row.certificate)])
    return found


def _granted(session: Session, settings: Settings) -> dict[str, list[str]]:
    """Return the types, by both their names, that each department was ever granted: what it issued while it might is good after that, too."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    types = {one.code: (type_uri(settings, one), one.doctype) for one in catalogue.all_types()}
    now_or_once = union(
        select(Authority.department_code, Authority.type_code).where(Authority.action == Action.ISSUE.value),
        select(ListedService.department_code, ListedService.type_code),
    )
    for department, code in session.execute(now_or_once):
        found[certificates.department_uri(settings, department)].update(types.get(code, ()))
    found[statements.issuer(settings)] = {one.vct for one in statements.questions()}
    return {issuer: sorted(granted) for issuer, granted in found.items()}


def _names(session: Session, settings: Settings) -> dict[str, dict[str, str]]:
    departments = {certificates.department_uri(settings, one.code): one.name.as_json() for one in all_departments(session)}
    types = {key: one.name.as_json() for one in catalogue.all_types() for key in (type_uri(settings, one), one.doctype)}
    answers = {one.vct: one.name.as_json() for one in statements.questions()}
    return {**departments, **types, **answers}


def _source(row: trust_sources.TrustListSource) -> dict[str, Any]:
    told = {"province": row.province, "types": row.types, "signer": row.signer, "taken_at": row.taken_at.timestamp()}
    return {**told, "root": b64encode(row.root).decode(), "token": bytes(row.token).decode()}
