"""The trust list: which departments may issue which types, with which certificates, from when on and until when; signed ahead, for anyone.

Its shape is that of ETSI TS 119 602 (a list of trusted entities, JSON), its signature a JWS with the service's chain. What a department might do
once is never taken out: the history of each service lets an old credential be judged by what held then. A list is
built anew when what it says has changed, or when it grows old; never at a request.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import certificates, ring
from keys.issued_certificates import COMPROMISES, IssuedCertificate, encode
from runtime import cache
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing.contents import type_uri
from wallet.issuing.trust_list_words import EXTENSION, GRANTED, SERVICE, WITHDRAWN
from wallet.register import catalogue
from wallet.register.definitions import LicenceType
from wallet.register.departments import Action, Authority, Department, all_departments

PATH = "/trust-list"
TYPE, MEDIA_TYPE = "JOSE", "application/jose"
LIST_TYPE = "urn:kabao:trust-list:issuers"
OPERATOR, SCHEME = Text("卡包", "Kabao"), Text("发证部门信任名单", "List of trusted issuing departments")
LIFETIME, RENEWED_BEFORE = timedelta(days=7), timedelta(days=4)
ALL_HISTORY = 65535  # TS 119 602: nothing is ever taken out
UNKNOWN_POSTCODE = "000000"
TOPIC = "trust_list"
LOCK = 0x6B747273


class ListedService(Base):
    """A turn in what a department may issue: from `since` on, a type was granted to it, or withdrawn."""

    __tablename__ = "listed_services"
    department_code: Mapped[str] = mapped_column(primary_key=True)
    type_code: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    is_granted: Mapped[bool]


class OwnTrustList(Base):
    """A list that was signed, by its sequence number; `digest` is of what it says, apart from its number and times."""

    __tablename__ = "own_trust_lists"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[str]
    digest: Mapped[str]
    made_at: Mapped[datetime]
    next_update: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Published:
    """The newest list as it is served."""

    token: bytes
    sequence: int
    made_at: datetime
    etag: str


def rebuild(session: Session, settings: Settings, *, now: datetime) -> OwnTrustList | None:
    """Sign the list anew if what it says has changed, or it grows old; one builder works at a time. Raises ModuleAway, KeyNotReady."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
        return None
    _note_turns(session, now=now)
    entities = _entities(session, settings)
    digest = hashlib.sha256(json.dumps(entities, sort_keys=True).encode()).hexdigest()
    last = session.scalars(select(OwnTrustList).order_by(OwnTrustList.sequence.desc()).limit(1)).one_or_none()
    if last is not None and last.digest == digest and last.next_update - now > RENEWED_BEFORE:
        return None
    sequence = last.sequence + 1 if last else 1
    payload = {"LoTE": {"ListAndSchemeInformation": _scheme(settings, sequence=sequence, now=now), "TrustedEntitiesList": entities}}
    token = ring.signer(ring.TRUST_LIST).sign(payload, typ=TYPE, headers={"cty": "json", "iat": int(now.timestamp())})
    row = OwnTrustList(sequence=sequence, token=token, digest=digest, made_at=now, next_update=now + LIFETIME)
    session.add(row)
    cache.changed(session, TOPIC)
    return row


def published() -> Published | None:
    """Return the newest list, from the process's cache; None before the first was signed."""
    return cache.get(TOPIC, "newest", _load)


def _load() -> Published | None:
    with transaction() as session:
        row = session.scalars(select(OwnTrustList).order_by(OwnTrustList.sequence.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return Published(row.token.encode(), row.sequence, row.made_at, hashlib.sha256(row.token.encode()).hexdigest()[:32])


def _note_turns(session: Session, *, now: datetime) -> None:
    """Write down each turn since the last list: what may be issued now and might not before, and the other way round."""
    last: dict[tuple[str, str], ListedService] = {}
    for turn in session.scalars(select(ListedService).order_by(ListedService.since)):
        last[turn.department_code, turn.type_code] = turn
    for row in session.scalars(select(Authority).where(Authority.action == Action.ISSUE.value)):
        before, holds = last.get((row.department_code, row.type_code)), row.holds_at(now)
        if holds != (before is not None and before.is_granted):
            since = row.valid_from if holds and before is None else _moment(row, before, holds=holds, now=now)
            session.add(ListedService(department_code=row.department_code, type_code=row.type_code, since=since, is_granted=holds))
    session.flush()


def _moment(row: Authority, before: ListedService | None, *, holds: bool, now: datetime) -> datetime:
    """When a turn was: an authority's own beginning or end, unless that was before the last turn, in which case it is seen now."""
    moment = row.valid_from if holds else row.valid_until or now
    return moment if before is None or before.since < moment <= now else now


def _entities(session: Session, settings: Settings) -> list[dict[str, Any]]:
    turns: defaultdict[str, defaultdict[str, list[ListedService]]] = defaultdict(lambda: defaultdict(list))
    for turn in session.scalars(select(ListedService).order_by(ListedService.since.desc())):
        turns[turn.department_code][turn.type_code].append(turn)
    held: defaultdict[str, list[IssuedCertificate]] = defaultdict(list)
    for row in session.scalars(select(IssuedCertificate).order_by(IssuedCertificate.made_at)):
        held[row.use].append(row)
    types = {one.code: one for one in catalogue.all_types()}
    listed = []
    for department in all_departments(session):
        identity = _identity(held[certificates.department_use(department.code)])
        by_type = [(types[code], rows) for code, rows in sorted(turns[department.code].items()) if code in types]
        named = _named(settings, department, identity)
        services = [_service(settings, one, rows, named, identity.ended) for one, rows in by_type]
        if services:
            listed.append({"TrustedEntityInformation": _information(settings, department), "TrustedEntityServices": services})
    return listed


@dataclass(frozen=True, slots=True)
class _Identity:
    """The certificates of a department, and those that a revocation ended before their time."""

    certificates: list[dict[str, str]]
    ended: dict[str, str]


def _identity(rows: Iterable[IssuedCertificate]) -> _Identity:
    """A key that was compromised vouches for nothing that it ever signed, so its certificate is not listed at all."""
    good = [row for row in rows if row.reason not in COMPROMISES]
    ended = {row.fingerprint: _time(row.revoked_at) for row in good if row.revoked_at}
    return _Identity([{"val": encode(row.certificate)} for row in good], ended)


def _named(settings: Settings, department: Department, identity: _Identity) -> dict[str, Any]:
    """Return a service's digital identity, which may not be empty: without a certificate that holds, a department is named by its URI alone."""
    if identity.certificates:
        return {"X509Certificates": identity.certificates}
    return {"OtherIds": [certificates.department_uri(settings, department.code)]}


def _service(
    settings: Settings, licence_type: LicenceType, turns: list[ListedService], named: dict[str, Any], ended: dict[str, str]
) -> dict[str, Any]:
    name = _both(Text(f"签发{licence_type.name.zh}", f"Issuing: {licence_type.name.en}"))
    told = {"vct": type_uri(settings, licence_type), "licence_type": licence_type.code, "doctype": licence_type.doctype}
    states = [
        {
            "ServiceName": name,
            "ServiceTypeIdentifier": SERVICE,
            "ServiceDigitalIdentity": named,
            "ServiceStatus": GRANTED if turn.is_granted else WITHDRAWN,
            "StatusStartingTime": _time(turn.since),
        }
        for turn in turns
    ]
    extension = {EXTENSION: {**told, "ended": ended}}
    present = {**states[0], "ServiceInformationExtensions": [extension]}
    return {"ServiceInformation": present, **({"ServiceHistory": states[1:]} if states[1:] else {})}


def _information(settings: Settings, department: Department) -> dict[str, Any]:
    uri = certificates.department_uri(settings, department.code)
    return {
        "TEName": _both(department.name),
        "TETradeName": [{"lang": "en", "value": f"GOVCN-{department.code}"}],
        "TEAddress": {
            "TEPostalAddress": [_address(department.name_zh)],
            "TEElectronicAddress": [{"lang": "zh", "uriValue": uri}],
        },
        "TEInformationURI": [{"lang": "zh", "uriValue": uri}],
    }


def _scheme(settings: Settings, *, sequence: int, now: datetime) -> dict[str, Any]:
    address = {"lang": "zh", "uriValue": settings.public_url}
    return {
        "LoTEVersionIdentifier": 1,
        "LoTESequenceNumber": sequence,
        "LoTEType": LIST_TYPE,
        "SchemeOperatorName": _both(OPERATOR),
        "SchemeOperatorAddress": {
            "SchemeOperatorPostalAddress": [_address(settings.host)],
            "SchemeOperatorElectronicAddress": [address],
        },
        "SchemeName": _both(SCHEME),
        "SchemeInformationURI": [address],
        "StatusDeterminationApproach": "urn:kabao:trust-list:authorities",
        "SchemeTypeCommunityRules": [address],
        "SchemeTerritory": "CN",
        "PolicyOrLegalNotice": [{"LoTEPolicy": address}],
        "HistoricalInformationPeriod": ALL_HISTORY,
        "ListIssueDateTime": _time(now),
        "NextUpdate": _time(now + LIFETIME),
        "DistributionPoints": [f"{settings.public_url}{PATH}"],
    }


def _address(at: str) -> dict[str, str]:
    """Return a postal address, which the form asks for: a department is reached by its name, and no street of it is known here."""
    return {"lang": "zh", "StreetAddress": at, "Locality": at, "PostalCode": UNKNOWN_POSTCODE, "Country": "CN"}


def _both(text: Text) -> list[dict[str, str]]:
    return [{"lang": "zh", "value": text.zh}, {"lang": "en", "value": text.en}]


def _time(moment: datetime | None) -> str:
    assert moment is not None
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
