"""What is done to a client that stands: its secret changes, it is changed, closed, opened again, and its grants end."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from flask import current_app
from marshmallow import ValidationError
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from idp.oauth import clients, owners, resources, sectors
from idp.oauth.client_kinds import SECRET_METHODS
from idp.oauth.clients import ClientKnown, ClientRefused, RegisteredClient
from idp.oauth.codes import AuthorizationCode
from idp.oauth.refresh_tokens import RefreshFamily
from idp.oauth.registration.documents import fill_as_operator, new_row, operator_document_of
from runtime import cache, ledger
from runtime.languages import Text
from runtime.problems import Refusal
from schemas.clients import OperatorClientSchema

OVERLAP = timedelta(days=7)
EXCHANGES = ("may_exchange_from", "may_exchange_for")
UNREGISTERED = Text(
    "{0} 中有本系统没有登记的名称，请逐字核对；如确无误，请先登记：{1}",
    "{0} names what is not registered here: {1}. Check it letter by letter; if it is right, register it before this is used.",
)
PAGE = 50


class ClientChanged(Refusal):
    """Somebody else, or the client itself, changed a registration since the caller looked at it."""

    code, status, title = "client-changed", 409, Text("您查看之后，该客户端的登记已被更改。", "The client was changed since you looked at it.")


class SecretChanging(Refusal):
    """The secret before the present one is still good: whoever has not changed over would be shut out by a further one."""

    code, status = "secret-changing", 409
    title = Text("密钥正在更换：再次更换，原密钥立即失效。", "A secret is being changed: another one now ends the one before at once.")


def mark_of(row: RegisteredClient) -> str:
    """Return what a registration, with its secret, is told by from what it was and will be; of the secret it says nothing."""
    said = json.dumps(operator_document_of(row), sort_keys=True).encode()
    return sha256(said + (row.secret_hash or b"")).hexdigest()


def read_document(unverified: Any) -> dict[str, Any]:
    """Return the checked form of what an operator says of a client; raises ClientRefused, which names the member."""
    try:
        document: dict[str, Any] = OperatorClientSchema().load(unverified)
    except ValidationError as error:
        field, said = first_fault(error.messages)
        raise ClientRefused(f"{field}: {said}", field=field) from error
    return document


def first_fault(messages: Any) -> tuple[str, str]:
    """Return the member that the first of marshmallow's messages is about, and what it says."""
    field, said = next(iter(messages.items())) if isinstance(messages, dict) else ("", messages)
    while isinstance(said, dict | list):
        said = next(iter(said.values() if isinstance(said, dict) else said), "")
    return str(field), str(said)


def add(session: Session, unverified: Mapping[str, Any], *, client_id: str, now: datetime, actor: str) -> tuple[RegisteredClient, str | None]:
    """Register a client as an operator describes it; returns its secret, this once, if it proves itself by one. Raises ClientRefused, ClientKnown."""
    document = read_document({**unverified, "client_id": client_id})
    owners.check_code(document["owner"])
    row = new_row(document, client_id=client_id, owner=document["owner"], now=now)
    fill_as_operator(row, document)
    secret = clients.new_secret() if row.auth_method in SECRET_METHODS else None
    if secret is not None:
        clients.give_secret(row, secret)
    clients.check(row)
    _check_sector(row)
    if session.get(RegisteredClient, client_id) is not None:
        raise ClientKnown(field="client_id")
    session.add(row)
    _done(session, "client.registered", row, now=now, actor=actor)
    return row, secret


def change(
    session: Session, client_id: str, unverified: Mapping[str, Any], *, now: datetime, actor: str, mark: str | None = None
) -> tuple[RegisteredClient, str | None]:
    """Replace all that an operator says of a client; returns a secret, this once, if it begins to want one.

    Raises ClientRefused; ClientChanged if the registration is no longer the one of the `mark`.
    """
    row, document = clients.get_row(session, client_id), read_document({**unverified, "client_id": client_id})
    _check_mark(row, mark)
    if document["owner"] != row.owner:
        owners.check_code(document["owner"])
    fill_as_operator(row, document)
    secret = None
    if row.auth_method not in SECRET_METHODS:
        clients.take_secrets(row)
    elif not clients.has_secret(row):
        secret = clients.new_secret()
        clients.give_secret(row, secret)
    clients.check(row)
    _check_sector(row)
    _done(session, "client.changed", row, now=now, actor=actor)
    return row, secret


def warnings_of(session: Session, row: RegisteredClient) -> list[Text]:
    """Return what whoever registers a client is warned of: names that stand for nothing here yet, most likely slips of the pen."""
    said, settings = row.client_metadata, current_app.extensions["kabao_settings"]
    strange = {name: clients.unregistered(session, said.get(name, ())) for name in EXCHANGES}
    strange["resources"] = resources.unregistered(session, said.get("resources", ()), settings)
    unknown = [] if owners.is_known(session, row.owner) else [owners.UNKNOWN]
    return [*unknown, *(UNREGISTERED.format(name, " ".join(each)) for name, each in strange.items() if each)]


def rotate_secret(
    session: Session,
    client_id: str,
    *,
    now: datetime,
    actor: str,
    overlap: timedelta = OVERLAP,
    lifetime: timedelta | None = None,
    mark: str | None = None,
    ends_former: bool = False,
) -> str:
    """Give a client a further secret and return it, this once; the one before stays good for `overlap`.

    Raises ClientRefused; ClientChanged if the registration is no longer the one of the `mark`: a button pressed twice would end the secret in use;
    SecretChanging where one before is still good, unless all are to end (no `overlap`) or `ends_former` says that this one may.
    """
    row = clients.get_row(session, client_id)
    _check_mark(row, mark)
    if overlap and not ends_former and is_changing(row, now=now):
        raise SecretChanging("the secret before this one is still good: wait until the client has changed over, or end it (--end-former)")
    if row.auth_method not in SECRET_METHODS:
        raise ClientRefused("the client proves itself without a secret", field="token_endpoint_auth_method")
    secret = clients.new_secret()
    put_secret(row, secret, expires_at=now + lifetime if lifetime else None, now=now, overlap=overlap)
    _done(session, "client.secret-rotated", row, now=now, actor=actor)
    return secret


def is_changing(row: RegisteredClient, *, now: datetime) -> bool:
    """Whether the secret before the present one is still good."""
    return row.former_secret_expires_at is not None and row.former_secret_expires_at > now


def put_secret(row: RegisteredClient, secret: str, *, expires_at: datetime | None, now: datetime, overlap: timedelta = OVERLAP) -> None:
    """Put a secret in the place of the one that a client has, which ends with the overlap, or before if it had to."""
    if row.secret_hash is not None:
        row.former_secret_hash, row.former_secret_sealed = row.secret_hash, row.secret_sealed
        row.former_secret_expires_at = min(now + overlap, row.secret_expires_at or now + overlap)
    clients.give_secret(row, secret, expires_at=expires_at)


def disable(session: Session, client_id: str, *, now: datetime, actor: str) -> None:
    """Close a client's registration at once; raises ClientRefused if there is none."""
    clients.disable_client(session, client_id, now=now, actor=actor)


def enable(session: Session, client_id: str, *, now: datetime, actor: str) -> None:
    """Open a client's registration again, with the grants that it still has; raises ClientRefused if there is none."""
    row = clients.get_row(session, client_id)
    row.disabled_at = None
    _done(session, "client.enabled", row, now=now, actor=actor)


def end_grants(session: Session, client_id: str, *, now: datetime) -> None:
    """End all that people allowed a client to have: codes that were not redeemed, and refresh tokens."""
    session.execute(delete(AuthorizationCode).where(AuthorizationCode.client_id == client_id, AuthorizationCode.spent_at.is_(None)))
    session.execute(update(RefreshFamily).where(RefreshFamily.client_id == client_id, RefreshFamily.ended_at.is_(None)).values(ended_at=now))


def count_grants(session: Session, client_id: str, *, now: datetime) -> int:
    """Return how many lasting grants a client holds."""
    living = (RefreshFamily.client_id == client_id, RefreshFamily.ended_at.is_(None), RefreshFamily.expires_at > now)
    return session.scalar(select(func.count()).select_from(RefreshFamily).where(*living)) or 0


def last_used(session: Session, client_id: str) -> datetime | None:
    """Return when a client last took part in a sign-in or a refresh, as far as its lasting grants tell."""
    lasting = (RefreshFamily.client_id == client_id, RefreshFamily.ended_at.is_(None))
    return session.scalar(select(func.max(RefreshFamily.rotated_at)).where(*lasting))


def page_of(session: Session, *, query: str = "", after: str = "", limit: int = PAGE) -> list[RegisteredClient]:
    """Return clients whose id, name, owner or address holds a text, by id, beginning after one."""
    found = select(RegisteredClient).order_by(RegisteredClient.client_id).where(RegisteredClient.client_id > after).limit(limit)
    if query:
        in_names = (RegisteredClient.name[language].astext.icontains(query, autoescape=True) for language in ("zh", "en"))
        by_id = RegisteredClient.client_id.icontains(query, autoescape=True)
        found = found.where(or_(by_id, RegisteredClient.owner == query, RegisteredClient.sector == query, *in_names))
    return list(session.scalars(found))


def _check_mark(row: RegisteredClient, mark: str | None) -> None:
    if mark is not None and mark != mark_of(row):
        raise ClientChanged


def _check_sector(row: RegisteredClient) -> None:
    """Check that the document of a client's sector names its addresses; raises ClientRefused."""
    uri = row.client_metadata.get("sector_identifier_uri")
    try:
        if uri is not None:
            sectors.check_document(uri, sectors.addresses_of(row), current_app.extensions["kabao_settings"])
    except sectors.NotOfTheSector as error:
        raise ClientRefused(f"sector_identifier_uri: {error}", field="sector_identifier_uri") from error


def _done(session: Session, act: str, row: RegisteredClient, *, now: datetime, actor: str) -> None:
    ledger.record(session, act, actor=actor, object_id=row.client_id, now=now)
    cache.changed(session, clients.TOPIC)
