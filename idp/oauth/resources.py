"""Resources: whom access tokens may be for (RFC 8707): our own API, and the resource servers that an operator registered.

A resource is named by an absolute URI, which becomes the `aud` of the tokens for it. A client asks for ours without being told so; for
another only where its registration names it. What is kept here changes seldom and is read from the process's cache.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import profiles, scopes
from idp.oauth.clients import PRE_AUTHORIZED_CODE, Client, RegisteredClient
from keys import suites
from runtime import cache, ledger
from runtime.database import Base, transaction
from runtime.languages import Text, text_of
from runtime.problems import Refusal
from runtime.settings import Settings

log = structlog.get_logger(__name__)
TOPIC = "resources"
LONGEST = 300
WELL_KNOWN = "/.well-known/oauth-protected-resource"
WANTED = {
    "identifier": "an absolute URI without a fragment, and none of this service's own",
    "scopes": "some that there are",
    "signing_alg": "one that this service signs by",
    "client_id": "a client that is registered",
}
OPENID_CREDENTIAL = "openid_credential"
ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")
OURS = Text("卡包电子证照服务", "Kabao's e-licence service")


class ResourceRefused(Refusal):
    """A resource server is not acceptable, or there is none; `field` says where."""

    code, status, title = "resource-refused", 422, Text("资源服务器登记信息有误。", "The registration of the resource server is not acceptable.")


class ResourceServer(Base):
    """Another's API that takes our access tokens.

    `scopes` are those that it takes, all if it names none; `signing_alg` how tokens for it are signed, by the active key unless it says;
    `client_id` is the client by which it asks about tokens (RFC 7662), and whose keys and algorithms those answers are written for.
    """

    __tablename__ = "resource_servers"
    identifier: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[dict[str, Any]]
    owner: Mapped[str]
    scopes: Mapped[list[str]]
    signing_alg: Mapped[str | None]
    client_id: Mapped[str | None]
    added_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as the endpoints know it."""

    identifier: str
    name: Text
    scopes: frozenset[str] = frozenset()
    signing_alg: str | None = None
    client_id: str | None = None

    def takes(self, scope: str) -> bool:
        """Whether a scope means anything there."""
        return not self.scopes or scope in self.scopes


def own(settings: Settings) -> str:
    """Return the identifier of our own API: the `aud` of every token that is asked for without a resource."""
    return f"{settings.public_url}/api"


def credential_issuer(settings: Settings) -> str:
    """Return the Credential Issuer Identifier: the `aud` of tokens by which a wallet has credentials issued (OpenID4VCI 1.0 section 12.2.1)."""
    return settings.public_url


def metadata_uri(identifier: str, settings: Settings) -> str:
    """Return where a resource of ours is described: the well-known address stands between host and path (RFC 9728 section 3)."""
    return f"{settings.public_url}{WELL_KNOWN}{identifier.removeprefix(settings.public_url)}"


def is_acceptable(identifier: str) -> bool:
    """Whether this is an absolute URI without a fragment (RFC 3986 section 4.3, RFC 8707 section 2)."""
    return len(identifier) <= LONGEST and ABSOLUTE_URI.fullmatch(identifier) is not None


def find_resource(identifier: str, settings: Settings) -> Resource | None:
    """Return a resource that is not disabled, kept in the process."""
    if identifier in (own(settings), credential_issuer(settings)):
        return _ours(identifier)
    return cache.get(TOPIC, identifier, lambda: _load(identifier)) if is_acceptable(identifier) else None


def is_allowed(identifier: str, client: Client, settings: Settings) -> bool:
    """Whether a client may have tokens for a resource; what its registration does not name is not looked up."""
    if identifier == own(settings):
        return True
    if identifier == credential_issuer(settings):
        return OPENID_CREDENTIAL in client.metadata.authorization_details_types or PRE_AUTHORIZED_CODE in client.grant_types
    if identifier not in client.metadata.resources:
        return _refused("the client's registration does not name it", client)
    found = find_resource(identifier, settings)
    if found is None:
        return _refused("the client's registration names it, but it is not registered, or disabled", client)
    return profiles.may_be_signed_for(client, found.signing_alg) or _refused("its tokens are signed as the client's profile does not have it", client)


def _refused(why: str, client: Client) -> bool:
    """Tell the operator why, of which client: whoever asks hears but one answer."""
    log.info("resource refused", why=why, client_id=client.client_id)
    return False


def unregistered(session: Session, identifiers: Iterable[str], settings: Settings) -> list[str]:
    """Return those of some identifiers that no resource is registered by, ours left out."""
    asked = set(identifiers) - {own(settings), credential_issuer(settings)}
    return sorted(asked - set(session.scalars(select(ResourceServer.identifier).where(ResourceServer.identifier.in_(asked)))))


def names_of(identifiers: Iterable[str], settings: Settings) -> list[Text]:
    """Return the names of resource servers, our own API left out: what a person reads of where a portal takes its tokens."""
    others = [identifier for identifier in identifiers if identifier not in (own(settings), credential_issuer(settings))]
    return [resource.name for identifier in others if (resource := find_resource(identifier, settings)) is not None]


def scopes_for(audience: Collection[str], asked: Iterable[str], settings: Settings) -> list[str]:
    """Return the scopes among those asked for that at least one of the resources takes; our own API takes all."""
    if own(settings) in audience:
        return list(asked)
    found = [resource for identifier in audience if (resource := find_resource(identifier, settings)) is not None]
    return [scope for scope in asked if any(resource.takes(scope) for resource in found)]


def listed(session: Session) -> list[ResourceServer]:
    """Return every resource server, by identifier."""
    return list(session.scalars(select(ResourceServer).order_by(ResourceServer.identifier)))


def add_resource(
    session: Session,
    *,
    identifier: str,
    name: Text,
    owner: str,
    settings: Settings,
    now: datetime,
    takes: Iterable[str] = (),
    signing_alg: str | None = None,
    client_id: str | None = None,
) -> ResourceServer:
    """Register a resource server, or register one anew; raises ResourceRefused."""
    taken = list(takes)
    wrong = {
        "identifier": not is_acceptable(identifier) or identifier in (own(settings), credential_issuer(settings)),
        "scopes": not set(taken) <= set(scopes.ALL),
        "signing_alg": signing_alg is not None and signing_alg not in suites.SUITES,
        "client_id": client_id is not None and session.get(RegisteredClient, client_id) is None,
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise ResourceRefused(f"{field} is not acceptable: {WANTED[field]}", field=field)
    row = ResourceServer(
        identifier=identifier,
        name=name.as_json(),
        owner=owner,
        scopes=taken,
        signing_alg=signing_alg,
        client_id=client_id,
        added_at=now,
        disabled_at=None,
    )
    row = session.merge(row)
    ledger.record(session, "resource.registered", actor="operator", object_id=identifier, now=now)
    cache.changed(session, TOPIC)
    return row


def disable_resource(session: Session, identifier: str, *, now: datetime) -> None:
    """Give out no more tokens for a resource, and call those that there are inactive; raises ResourceRefused if there is none."""
    row = session.get(ResourceServer, identifier, with_for_update=True)
    if row is None:
        raise ResourceRefused("no such resource server", field="identifier")
    row.disabled_at = row.disabled_at or now
    ledger.record(session, "resource.disabled", actor="operator", object_id=identifier, now=now)
    cache.changed(session, TOPIC)


@lru_cache(maxsize=4)
def _ours(identifier: str) -> Resource:
    return Resource(identifier, OURS)


def _load(identifier: str) -> Resource | None:
    with transaction() as session:
        row = session.get(ResourceServer, identifier)
    if row is None or row.disabled_at is not None:
        return None
    return Resource(row.identifier, text_of(row.name), frozenset(row.scopes), row.signing_alg, row.client_id)
