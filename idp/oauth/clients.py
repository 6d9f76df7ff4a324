"""Clients: the portals that people sign in to and the systems of departments, as registered by an operator.

A client's row is read once and kept in the process as a `Client`, with its keys imported; a change clears it everywhere.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import client_checks, redirects, scopes
from idp.oauth.client_kinds import AUTH_METHODS as AUTH_METHODS
from idp.oauth.client_kinds import AUTHORIZATION_CODE as AUTHORIZATION_CODE
from idp.oauth.client_kinds import CIBA as CIBA
from idp.oauth.client_kinds import CLIENT_CREDENTIALS as CLIENT_CREDENTIALS
from idp.oauth.client_kinds import CLIENT_SECRET_BASIC as CLIENT_SECRET_BASIC
from idp.oauth.client_kinds import CLIENT_SECRET_JWT
from idp.oauth.client_kinds import DEVICE_CODE as DEVICE_CODE
from idp.oauth.client_kinds import GRANT_TYPES as GRANT_TYPES
from idp.oauth.client_kinds import JWT_BEARER as JWT_BEARER
from idp.oauth.client_kinds import NONE as NONE
from idp.oauth.client_kinds import PRE_AUTHORIZED_CODE as PRE_AUTHORIZED_CODE
from idp.oauth.client_kinds import PRIVATE_KEY_JWT as PRIVATE_KEY_JWT
from idp.oauth.client_kinds import REFRESH_TOKEN as REFRESH_TOKEN
from idp.oauth.client_kinds import TOKEN_EXCHANGE as TOKEN_EXCHANGE
from idp.oauth.client_metadata import PUBLIC, ClientMetadata, read_metadata
from idp.oauth.key_sets import ClientKey as ClientKey
from idp.oauth.key_sets import KeySet, read_key_set
from idp.oauth.pairwise import PUBLIC_SECTOR
from idp.oauth.requests import detail_scopes
from idp.signin.assurance import Level
from keys import sealed_tables, sealing
from runtime import cache, ledger
from runtime.clock import now
from runtime.database import Base, transaction
from runtime.languages import Text, text_of
from runtime.problems import Refusal

TOPIC = "clients"
CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,100}")
SECRET_BYTES = 32
PLACE = "secret"
NO_LEVELS: Mapping[str, Level] = MappingProxyType({})
NOTHING: Mapping[str, Any] = MappingProxyType({})


class ClientRefused(Refusal):
    """A registration is not acceptable; `field` says where."""

    code, status, title = "client-refused", 422, Text("客户端登记信息有误。", "The registration of the client is not acceptable.")


class ClientKnown(Refusal):
    """There is a client of this id already."""

    code, status, title = "client-known", 409, Text("该客户端标识已被使用。", "There is a client of this id already.")


class RegisteredClient(Base):
    """A registration. `owner` is the credit code of the department or organisation that answers for the client."""

    __tablename__ = "clients"
    client_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[dict[str, Any]]
    owner: Mapped[str]
    auth_method: Mapped[str]
    jwks: Mapped[dict[str, Any] | None]
    secret_hash: Mapped[bytes | None]
    secret_expires_at: Mapped[datetime | None]
    former_secret_hash: Mapped[bytes | None]
    former_secret_expires_at: Mapped[datetime | None]
    secret_sealed: Mapped[bytes | None]
    former_secret_sealed: Mapped[bytes | None]
    redirect_uris: Mapped[list[str]]
    post_logout_redirect_uris: Mapped[list[str]]
    backchannel_logout_uri: Mapped[str | None]
    grant_types: Mapped[list[str]]
    scopes: Mapped[list[str]]
    sector: Mapped[str]
    first_party: Mapped[bool]
    added_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    levels: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)
    client_metadata: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)


sealed_tables.declare(RegisteredClient, row="client_id", sealed={"secret_sealed": PLACE, "former_secret_sealed": PLACE})


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that a client may prove itself with: its hash, and until when if it ends. `plain` is there where it is a key (client_secret_jwt)."""

    hash: bytes
    expires_at: datetime | None
    plain: bytes | None = field(default=None, repr=False)

    def is_good(self, unverified: str, *, now: datetime) -> bool:
        """Whether this is the secret, in constant time, and still good."""
        return hmac.compare_digest(self.hash, hash_secret(unverified)) and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):
    """A client as the endpoints know it, in the shape that Authlib asks questions of."""

    client_id: str
    name: Text
    owner: str
    auth_method: str
    key_set: KeySet
    secrets: tuple["Secret", ...]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    backchannel_logout_uri: str | None
    grant_types: frozenset[str]
    scopes: tuple[str, ...]
    sector: str
    first_party: bool
    levels: Mapping[str, Level]
    metadata: ClientMetadata

    @property
    def can_be_posed_as(self) -> bool:
        """Whether any program on a person's machine could take the answer meant for this client, and use it (RFC 8252 section 8.6)."""
        return self.auth_method == NONE and any(not redirects.is_of_a_host(uri) for uri in self.redirect_uris)

    def get_client_id(self) -> str:
        """Return the client's id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Return none: `redirect_uri` is always asked for."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the asked scopes that the client was registered for, or that stand for details which it may ask for."""
        asked = scopes.scopes_of(scope)
        allowed = {*self.scopes, *detail_scopes.of_client(self, asked)}
        return scopes.scope_from(one for one in asked if one in allowed)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether an address is registered for the client."""
        return redirects.is_registered(redirect_uri, self.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether the secret is the client's, or was until it was rotated a moment ago; in constant time."""
        moment = now()
        return any(secret.is_good(client_secret, now=moment) for secret in self.secrets)

    @property
    def hmac_secrets(self) -> list[bytes]:
        """The secrets that the client's assertions may be authenticated with."""
        moment = now()
        return [secret.plain for secret in self.secrets if secret.plain is not None and (secret.expires_at is None or moment < secret.expires_at)]

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether the client proves itself in this way; the same at every endpoint."""
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Whether the client may ask for this at the authorization endpoint."""
        return response_type == "code" and AUTHORIZATION_CODE in self.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client may use this grant."""
        return grant_type in self.grant_types

    def allowed(self, kinds: Container[str]) -> list[str]:
        """Return the registered scopes among some kinds (`scopes.OF_PEOPLE`, `scopes.OF_SYSTEMS`)."""
        return [scope for scope in self.scopes if scope in kinds]


def find_client(client_id: str) -> Client | None:
    """Return a client that is not disabled, kept in the process."""
    if not CLIENT_ID.fullmatch(client_id):
        return None
    return cache.get(TOPIC, client_id, lambda: _load(client_id))


def listed(session: Session) -> list[RegisteredClient]:
    """Return every registration, by id."""
    return list(session.scalars(select(RegisteredClient).order_by(RegisteredClient.client_id)))


def unregistered(session: Session, client_ids: Iterable[str]) -> list[str]:
    """Return those of some names that no client is registered by."""
    asked = set(client_ids)
    return sorted(asked - set(session.scalars(select(RegisteredClient.client_id).where(RegisteredClient.client_id.in_(asked)))))


def register_client(
    session: Session,
    *,
    client_id: str,
    name: Text,
    owner: str,
    now: datetime,
    auth_method: str = PRIVATE_KEY_JWT,
    jwks: dict[str, Any] | None = None,
    client_secret: str | None = None,
    redirect_uris: tuple[str, ...] | list[str] = (),
    post_logout_redirect_uris: tuple[str, ...] | list[str] = (),
    backchannel_logout_uri: str | None = None,
    grant_types: tuple[str, ...] | list[str] = (CLIENT_CREDENTIALS,),
    scopes: tuple[str, ...] | list[str] = (),
    sector: str | None = None,
    first_party: bool = False,
    levels: Mapping[str, Level] = NO_LEVELS,
    metadata: Mapping[str, Any] = NOTHING,
) -> RegisteredClient:
    """Register a client.

    `jwks`, or `jwks_uri` among the metadata, is wanted for private_key_jwt; it holds up to ten public keys; `client_secret` (from `new_secret`) for
    client_secret_basic, and only its hash is kept. `levels` are the demands of single scopes
    that differ from the usual ones, `metadata` the members of `ClientMetadata` that differ from their defaults. Raises ClientRefused, ClientKnown.
    """
    row = RegisteredClient(
        client_id=client_id,
        name=name.as_json(),
        owner=owner,
        auth_method=auth_method,
        jwks=jwks,
        secret_hash=None,
        redirect_uris=list(redirect_uris),
        post_logout_redirect_uris=list(post_logout_redirect_uris),
        backchannel_logout_uri=backchannel_logout_uri,
        grant_types=list(grant_types),
        scopes=list(scopes),
        sector=sector or redirects.sector_of(redirect_uris, client_id=client_id),
        first_party=first_party,
        added_at=now,
        disabled_at=None,
        levels={scope: level.as_json() for scope, level in levels.items()},
        client_metadata=dict(metadata),
    )
    if client_secret:
        give_secret(row, client_secret)
    check(row)
    if session.get(RegisteredClient, client_id) is not None:
        raise ClientKnown(field="client_id")
    session.add(row)
    ledger.record(session, "client.registered", actor="operator", object_id=client_id, now=now)
    cache.changed(session, TOPIC)
    return row


def get_row(session: Session, client_id: str) -> RegisteredClient:
    """Return a registration to change, kept from others until the transaction ends; raises ClientRefused if there is none."""
    row = session.get(RegisteredClient, client_id, with_for_update=True)
    if row is None:
        raise ClientRefused("no such client", field="client_id")
    return row


def disable_client(session: Session, client_id: str, *, now: datetime, actor: str = "operator") -> None:
    """Close a client's registration at once; raises ClientRefused if there is none."""
    row = get_row(session, client_id)
    row.disabled_at = row.disabled_at or now
    ledger.record(session, "client.disabled", actor=actor, object_id=client_id, now=now)
    cache.changed(session, TOPIC)


def give_secret(row: RegisteredClient, secret: str, *, expires_at: datetime | None = None) -> None:
    """Give a client a secret in the place of the one it has; kept sealed where it is the key of an HMAC, and else only as its hash."""
    row.secret_hash, row.secret_expires_at, row.secret_sealed = hash_secret(secret), expires_at, None
    if row.auth_method == CLIENT_SECRET_JWT:
        if len(secret.encode()) < SECRET_BYTES:
            raise ClientRefused("a key for HS256 has at least 32 bytes (RFC 7518 section 3.2)", field="client_secret")
        row.secret_sealed = sealing.seal(secret, table=RegisteredClient.__tablename__, column=PLACE, row=row.client_id)


def has_secret(row: RegisteredClient) -> bool:
    """Whether a client has a secret in the form that its way of proof wants: one that only its hash is left of cannot key an HMAC."""
    return row.secret_hash is not None and (row.auth_method != CLIENT_SECRET_JWT or row.secret_sealed is not None)


def take_secrets(row: RegisteredClient) -> None:
    """Leave a client without a secret: it proves itself otherwise now."""
    row.secret_hash = row.secret_expires_at = row.former_secret_hash = row.former_secret_expires_at = None
    row.secret_sealed = row.former_secret_sealed = None


def new_secret() -> str:
    """Return a fresh client secret of 256 bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a secret of full strength: its SHA-256 (a password would need more)."""
    return hashlib.sha256(secret.encode()).digest()


def check(row: RegisteredClient) -> None:
    """Check a registration by every rule (`client_checks.CHECKS`); raises ClientRefused, which names the member."""
    if not CLIENT_ID.fullmatch(row.client_id):
        raise ClientRefused("client_id is not acceptable: letters, digits and .-_~, at most 100", field="client_id")
    try:
        client_checks.check(row)
    except client_checks.NotAcceptable as error:
        raise ClientRefused(str(error), field=error.field) from error


def _secrets_of(row: RegisteredClient) -> Iterator[Secret]:
    if row.secret_hash is not None:
        yield Secret(row.secret_hash, row.secret_expires_at, _opened(row, row.secret_sealed))
    if row.former_secret_hash is not None:
        yield Secret(row.former_secret_hash, row.former_secret_expires_at, _opened(row, row.former_secret_sealed))


def _opened(row: RegisteredClient, sealed: bytes | None) -> bytes | None:
    return None if sealed is None else sealing.unseal(sealed, table=row.__tablename__, column=PLACE, row=row.client_id).encode()


def _load(client_id: str) -> Client | None:
    with transaction() as session:
        row = session.get(RegisteredClient, client_id)
    if row is None or row.disabled_at is not None:
        return None
    return Client(
        client_id=row.client_id,
        name=text_of(row.name),
        owner=row.owner,
        auth_method=row.auth_method,
        key_set=read_key_set(row.jwks),
        secrets=tuple(_secrets_of(row)),
        redirect_uris=tuple(row.redirect_uris),
        post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
        backchannel_logout_uri=row.backchannel_logout_uri,
        grant_types=frozenset(row.grant_types),
        scopes=tuple(row.scopes),
        sector=PUBLIC_SECTOR if row.client_metadata.get("subject_type") == PUBLIC else row.sector,
        first_party=row.first_party,
        levels=MappingProxyType({scope: Level(**level) for scope, level in row.levels.items()}),
        metadata=read_metadata(row.client_metadata),
    )
