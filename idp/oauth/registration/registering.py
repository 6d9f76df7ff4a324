"""A client registers itself (RFC 7591 section 3), reads, changes and takes back its registration (RFC 7592).

A registration stands under a policy, which every change is held to again. Its access token is kept as a hash and changes with each update;
the one before stays good until the new one has been used, so that an answer that was lost locks nobody out.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError, InvalidSoftwareStatementError
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import clients
from idp.oauth.client_kinds import NONE, SECRET_METHODS
from idp.oauth.clients import RegisteredClient
from idp.oauth.registration import acceptance, changes, policies, software_statements
from idp.oauth.registration.documents import document_of, fill, new_row, sector_of
from idp.oauth.registration.policies import Policy
from runtime import cache, ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.settings import Settings
from schemas.clients import NAME

TOKEN_BYTES = 32
OF_OPERATORS = ("security_profile", "pkce_optional", "resources", "may_exchange_for", "may_exchange_from")
NOT_SENT = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


class ClientRegistration(Base):
    """How a client that registered itself may manage its registration."""

    __tablename__ = "client_registrations"
    client_id: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[str] = mapped_column(index=True)
    initial_token_id: Mapped[UUID | None]
    token_hash: Mapped[bytes]
    former_token_hash: Mapped[bytes | None]
    software_statement: Mapped[str | None]
    registered_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Registered:
    """A client as it is answered: its row, its registration, and what is shown this once."""

    row: RegisteredClient
    registration: ClientRegistration
    token: str
    secret: str | None = None

    def as_json(self, settings: Settings) -> dict[str, Any]:
        """Return the client information response (RFC 7591 section 3.2.1)."""
        document = document_of(self.row) | {
            "client_id_issued_at": int(self.registration.registered_at.timestamp()),
            "registration_access_token": self.token,
            "registration_client_uri": f"{settings.public_url}/register/{self.row.client_id}",
        }
        if self.registration.software_statement is not None:
            document["software_statement"] = self.registration.software_statement
        if self.secret is not None:
            document["client_secret"] = self.secret
        if self.row.secret_hash is not None:
            document["client_secret_expires_at"] = int(self.row.secret_expires_at.timestamp()) if self.row.secret_expires_at else 0
        return document


def register(
    session: Session, unverified: Mapping[str, Any], *, policy: Policy, initial_token_id: UUID | None, settings: Settings, now: datetime
) -> Registered:
    """Register a client under a policy; raises the errors of RFC 7591 section 3.2.2, each of which names the member."""
    document = _document(session, unverified, policy=policy, kept=None, settings=settings, now=now)
    client_id = str(new_id())
    with acceptance.explained():
        row = new_row(document, client_id=client_id, owner=policy.owner, now=now)
        _put_under(row, policy)
    secret = _give_secret(row, policy, now=now)
    acceptance.check(row, policy, settings)  # it may ask another server: nobody else waits for that
    _check_room(session, policy)
    session.add(row)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    registration = ClientRegistration(
        client_id=client_id,
        policy=policy.name,
        initial_token_id=initial_token_id,
        token_hash=clients.hash_secret(token),
        former_token_hash=None,
        software_statement=document.get("software_statement"),
        registered_at=now,
    )
    session.add(registration)
    ledger.record(session, "client.registered", actor=f"registration-policy:{policy.name}", object_id=client_id, now=now)
    cache.changed(session, clients.TOPIC)
    return Registered(row, registration, token, secret)


def find_registration(session: Session, client_id: str, unverified_token: str) -> ClientRegistration | None:
    """Return the registration that a token is for, kept from others until the transaction ends; None for any other token."""
    if not clients.CLIENT_ID.fullmatch(client_id):
        return None
    registration = session.get(ClientRegistration, client_id, with_for_update=True)
    if registration is None:
        return None
    digest = clients.hash_secret(unverified_token)
    if hmac.compare_digest(registration.token_hash, digest):
        registration.former_token_hash = None
        return registration
    former = registration.former_token_hash
    return registration if former is not None and hmac.compare_digest(former, digest) else None


def read(session: Session, registration: ClientRegistration, *, token: str) -> Registered:
    """Return a client's registration as it stands (RFC 7592 section 2.1)."""
    return Registered(clients.get_row(session, registration.client_id), registration, token)


def replace(
    session: Session, registration: ClientRegistration, unverified: Mapping[str, Any], *, policy: Policy, settings: Settings, now: datetime
) -> Registered:
    """Replace all that a client says of itself, within its policy (RFC 7592 section 2.2).

    What operators alone decide stays as they left it. Raises the errors of RFC 7591 section 3.2.2.
    """
    row = clients.get_row(session, registration.client_id)
    _check_update(unverified, row)
    document = _document(session, unverified, policy=policy, kept=registration.software_statement, settings=settings, now=now)
    set_apart = row.sector if row.sector != sector_of(row) else None
    with acceptance.explained():
        fill(row, document | {name: row.client_metadata[name] for name in OF_OPERATORS if name in row.client_metadata})
        _put_under(row, policy)
    row.sector = set_apart or row.sector
    secret = _give_secret(row, policy, now=now) if _wants_secret(row, now=now) else None
    acceptance.check(row, policy, settings)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    # whoever came with the former token never heard of the present one: that one is forgotten, and the former stays
    registration.former_token_hash = registration.former_token_hash or registration.token_hash
    registration.token_hash = clients.hash_secret(token)
    registration.software_statement = document.get("software_statement")
    ledger.record(session, "client.changed", actor=f"client:{row.client_id}", object_id=row.client_id, now=now)
    cache.changed(session, clients.TOPIC)
    return Registered(row, registration, token, secret)


def delete(session: Session, registration: ClientRegistration, *, now: datetime) -> None:
    """Take a client's registration back, with all that was granted to it (RFC 7592 section 2.3)."""
    row = clients.get_row(session, registration.client_id)
    row.disabled_at = row.disabled_at or now
    changes.end_grants(session, row.client_id, now=now)
    session.delete(registration)
    ledger.record(session, "client.deleted", actor=f"client:{row.client_id}", object_id=row.client_id, now=now)
    cache.changed(session, clients.TOPIC)


def _check_room(session: Session, policy: Policy) -> None:
    policies.queue_up(session, policy)
    held = select(func.count()).select_from(ClientRegistration).where(ClientRegistration.policy == policy.name)
    if (session.scalar(held) or 0) >= policy.client_limit:
        raise InvalidClientMetadataError("policy: it has as many clients as it may have.")


def _document(
    session: Session, unverified: Mapping[str, Any], *, policy: Policy, kept: str | None, settings: Settings, now: datetime
) -> dict[str, Any]:
    """Return the checked document; what a software statement says goes before what the client says (RFC 7591 section 2.3)."""
    document = acceptance.read(unverified)
    statement = document.get("software_statement")
    if statement is None:
        if policy.wants_statement:
            raise InvalidSoftwareStatementError("software_statement: the policy asks for one.")
        return acceptance.with_defaults(document, policy)
    approved, is_kept = policy.statement_issuers, statement == kept
    asserted = software_statements.verify(session, statement, approved=approved, is_kept=is_kept, settings=settings, now=now)
    return acceptance.with_defaults(acceptance.read({**_beside(unverified, asserted), **asserted, "software_statement": statement}), policy)


def _beside(unverified: Mapping[str, Any], asserted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client says where a statement leaves it to say: a name that is asserted in one language is not to be another in the next."""
    is_named = any(name.partition("#")[0].lower() == NAME for name in asserted)
    return {name: value for name, value in unverified.items() if not is_named or name.partition("#")[0].lower() != NAME}


def _put_under(row: RegisteredClient, policy: Policy) -> None:
    if policy.security_profile is not None:
        row.client_metadata = {**row.client_metadata, "security_profile": policy.security_profile}
    if policy.pkce_optional and row.auth_method != NONE:
        row.client_metadata = {**row.client_metadata, "pkce_optional": True}


def _check_update(unverified: Mapping[str, Any], row: RegisteredClient) -> None:
    if unverified.get("client_id") != row.client_id:
        raise InvalidClientMetadataError("client_id: it must be there, and be the client's own.")
    for name in NOT_SENT:
        if name in unverified:
            raise InvalidClientMetadataError(f"{name}: it must not be sent.")
    secret = unverified.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and row.secret_hash and hmac.compare_digest(clients.hash_secret(secret), row.secret_hash)):
        raise InvalidClientMetadataError("client_secret: it must be the client's own, or not be sent.")


def _wants_secret(row: RegisteredClient, *, now: datetime) -> bool:
    """Whether a client has no secret where it wants one, or one whose last third has begun; one that it no longer uses is taken away."""
    if row.auth_method not in SECRET_METHODS:
        clients.take_secrets(row)
        return False
    return not clients.has_secret(row) or (row.secret_expires_at is not None and row.secret_expires_at - now < changes.OVERLAP)


def _give_secret(row: RegisteredClient, policy: Policy, *, now: datetime) -> str | None:
    if row.auth_method not in SECRET_METHODS:
        return None
    secret = clients.new_secret()
    expires_at = now + timedelta(days=policy.secret_days) if policy.secret_days else None
    changes.put_secret(row, secret, expires_at=expires_at, now=now)
    return secret
