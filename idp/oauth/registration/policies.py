"""Policies: what clients that register themselves may be. Operators write them; an initial access token stands for one.

Whatever a policy does not allow is refused, at the registration and at every later change. No client is ever first-party by its own word.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import owners, redirects, scopes
from idp.oauth.client_kinds import AUTH_METHODS, GRANT_TYPES
from idp.oauth.client_metadata import FAPI2, FAPI2_MESSAGE_SIGNING, HAIP, NATIVE, PAIRWISE
from idp.oauth.clients import RegisteredClient
from idp.oauth.registration.changes import first_fault
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from schemas.clients import PolicySchema

REQUIRED = "required"
PROFILES = (FAPI2, FAPI2_MESSAGE_SIGNING, HAIP)
ADDRESSES = (
    "jwks_uri",
    "sector_identifier_uri",
    "client_uri",
    "logo_uri",
    "policy_uri",
    "tos_uri",
    "initiate_login_uri",
    "frontchannel_logout_uri",
    "backchannel_client_notification_endpoint",
)


class PolicyRefused(Refusal):
    """A policy is not acceptable; `field` says where."""

    code, status, title = "policy-refused", 422, Text("登记策略有误。", "The policy is not acceptable.")


class NoSuchPolicy(Refusal):
    """There is no policy of this name."""

    code, status, title = "no-such-policy", 404, Text("没有该登记策略。", "There is no such policy.")


class PolicyChanged(Refusal):
    """Somebody else wrote the policy, or took it away, since the caller looked."""

    code, status, title = (
        "policy-changed",
        409,
        Text("同名策略已存在或已被他人修改，请看过现行内容再保存。", "Another policy has this name by now; look at it before you replace it."),
    )


class RegistrationPolicy(Base):
    """A policy as it was written."""

    __tablename__ = "registration_policies"
    name: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]

    @property
    def mark(self) -> str:
        """What tells this from what was written before and will be after it."""
        return f"{self.name} {self.changed_at.astimezone(UTC).isoformat()}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a client may be. `redirect_hosts` (`*.example.gov.cn` for all beneath) are those of every address that it names."""

    name: str
    owner: str
    grant_types: tuple[str, ...]
    scopes: tuple[str, ...]
    auth_methods: tuple[str, ...]
    redirect_hosts: tuple[str, ...] = ()
    native: bool = False
    subject_types: tuple[str, ...] = (PAIRWISE,)
    security_profile: str | None = None
    pkce_optional: bool = False
    authorization_details_types: tuple[str, ...] = ()
    software_statement: str = "allowed"
    statement_issuers: tuple[str, ...] = ()
    client_limit: int = 1000
    secret_days: int | None = None

    @property
    def wants_statement(self) -> bool:
        """Whether no client is registered without a software statement."""
        return self.software_statement == REQUIRED

    def allows_host(self, host: str) -> bool:
        """Whether an address at a host may be named."""
        return any(host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:])) for allowed in self.redirect_hosts)


class NotAllowedByPolicy(ValueError):
    """A registration goes beyond its policy; `field` is the member at fault."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: the policy does not allow it")
        self.field = field


def apply(session: Session, document: Mapping[str, Any], *, now: datetime, actor: str = "operator", seen: str | None = None) -> Policy:
    """Write a policy, in the place of an older one of its name; raises PolicyRefused.

    Who looked before says by its mark which one was `seen`: raises PolicyChanged where another would be replaced, or that one is gone.
    """
    policy = read(document)
    if not owners.is_sound(policy.owner):
        raise PolicyRefused(f"owner is not acceptable: {owners.UNSOUND.en}", field="owner")
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"policy {policy.name}", 0))))
    row = session.get(RegistrationPolicy, policy.name, with_for_update=True)
    _check_seen(policy.name, row, seen)
    if row is None:
        session.add(RegistrationPolicy(name=policy.name, document=dict(document), changed_at=now))
    else:
        row.document, row.changed_at = dict(document), now
    ledger.record(session, "registration-policy.applied", actor=actor, object_id=policy.name, now=now)
    return policy


def remove(session: Session, name: str, *, now: datetime, actor: str = "operator", seen: str | None = None) -> None:
    """Take a policy away: nothing more is registered or changed under it. Raises NoSuchPolicy, PolicyChanged."""
    row = session.get(RegistrationPolicy, name, with_for_update=True)
    if row is None:
        raise NoSuchPolicy(field="policy")
    _check_seen(name, row, seen)
    session.delete(row)
    ledger.record(session, "registration-policy.removed", actor=actor, object_id=name, now=now)


def _check_seen(name: str, row: RegistrationPolicy | None, seen: str | None) -> None:
    if seen is not None and (row.mark if row is not None else "") != (seen if seen.startswith(f"{name} ") else ""):
        raise PolicyChanged("written meanwhile", field="name")


def read(document: Mapping[str, Any]) -> Policy:
    """Return the policy that a document describes; raises PolicyRefused, which names the member."""
    try:
        loaded = PolicySchema().load(document)
    except ValidationError as error:
        field, said = first_fault(error.messages)
        if field == SCHEMA:
            raise PolicyRefused(f"The file is to say what a policy has, member by member: {', '.join(PolicySchema().fields)}.") from error
        raise PolicyRefused(f"{field} is not acceptable: {said}", field=field) from error
    members: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in loaded.items()}
    policy = Policy(**members)
    for field, known in (("grant_types", GRANT_TYPES), ("scopes", tuple(scopes.ALL)), ("auth_methods", AUTH_METHODS)):
        if not set(getattr(policy, field)) <= set(known):
            raise PolicyRefused(f"{field} is not acceptable: some of {', '.join(known)}", field=field)
    if policy.security_profile not in (None, *PROFILES):
        raise PolicyRefused(f"security_profile is not acceptable: one of {', '.join(PROFILES)}", field="security_profile")
    return policy


def find_policy(session: Session, name: str) -> Policy | None:
    """Return a policy, or None if there is none (any more)."""
    row = session.get(RegistrationPolicy, name)
    return read(row.document) if row is not None else None


def queue_up(session: Session, policy: Policy) -> None:
    """Let registrations under a policy go on one after another, until each transaction ends."""
    session.execute(select(RegistrationPolicy.name).where(RegistrationPolicy.name == policy.name).with_for_update())


def get_policy(session: Session, name: str) -> Policy:
    """Return a policy; raises NoSuchPolicy."""
    policy = find_policy(session, name)
    if policy is None:
        raise NoSuchPolicy(field="policy")
    return policy


def all_policies(session: Session) -> list[RegistrationPolicy]:
    """Return every policy, by name."""
    return list(session.scalars(select(RegistrationPolicy).order_by(RegistrationPolicy.name)))


def as_json(policy: Policy) -> dict[str, Any]:
    """Return a policy as its document, defaults included."""
    values = {field.name: getattr(policy, field.name) for field in fields(policy)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value is not None}


def check(policy: Policy, row: RegisteredClient) -> None:
    """Check that a registration stays within a policy; raises NotAllowedByPolicy for the first member that does not."""
    for field, goes_beyond in RULES:
        if goes_beyond(policy, row):
            raise NotAllowedByPolicy(field)


def addresses_of(row: RegisteredClient) -> Iterator[tuple[str, str]]:
    """Give every address that a client names, with its member."""
    said = row.client_metadata
    lists = {"redirect_uris": row.redirect_uris, "post_logout_redirect_uris": row.post_logout_redirect_uris}
    for name, uris in (lists | {"request_uris": said.get("request_uris", [])}).items():
        yield from ((name, uri) for uri in uris)
    for name, uri in ({name: said.get(name) for name in ADDRESSES} | {"backchannel_logout_uri": row.backchannel_logout_uri}).items():
        if uri is not None:
            yield name, uri


def _elsewhere(name: str) -> Callable[[Policy, RegisteredClient], bool]:
    def goes_beyond(policy: Policy, row: RegisteredClient) -> bool:
        return not all(_is_allowed_address(policy, row, uri) for field, uri in addresses_of(row) if field == name)

    return goes_beyond


def _is_allowed_address(policy: Policy, row: RegisteredClient, uri: str) -> bool:
    if redirects.is_of_a_host(uri):
        return policy.allows_host(urlsplit(uri).hostname or "")
    return policy.native and row.client_metadata.get("application_type") == NATIVE and uri in (*row.redirect_uris, *row.post_logout_redirect_uris)


def _said(row: RegisteredClient, name: str) -> list[str]:
    found: list[str] = row.client_metadata.get(name, [])
    return found


RULES: tuple[tuple[str, Callable[[Policy, RegisteredClient], bool]], ...] = (
    ("grant_types", lambda policy, row: not set(row.grant_types) <= set(policy.grant_types)),
    ("scope", lambda policy, row: not set(row.scopes) <= set(policy.scopes)),
    ("token_endpoint_auth_method", lambda policy, row: row.auth_method not in policy.auth_methods),
    ("application_type", lambda policy, row: row.client_metadata.get("application_type") == NATIVE and not policy.native),
    ("subject_type", lambda policy, row: row.client_metadata.get("subject_type", PAIRWISE) not in policy.subject_types),
    (
        "authorization_details_types",
        lambda policy, row: not set(_said(row, "authorization_details_types")) <= set(policy.authorization_details_types),
    ),
    *((name, _elsewhere(name)) for name in ("redirect_uris", "post_logout_redirect_uris", "request_uris", "backchannel_logout_uri", *ADDRESSES)),
)
