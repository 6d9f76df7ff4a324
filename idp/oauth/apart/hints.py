"""Whom a back-channel request is meant for (CIBA Core section 7.1): by exactly one hint.

An ID token of ours or a `sub` of the client's own sector names somebody whom the client knows already. A number names anyone, so the answer
is the same whether there is such a person, has an account, or has muted the client: the request waits until it is over.
"""

from dataclasses import dataclass
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from sqlalchemy.orm import Session

from idp.oauth import id_tokens
from idp.oauth.clients import Client
from idp.oauth.pairwise import NotPairwise, subject_of
from idp.subjects import directory
from idp.subjects.numbers import NumberRefused, parse_number
from runtime.settings import Settings

HINTS = ("login_hint_token", "id_token_hint", "login_hint")
LONGEST = 300


class UnknownUserId(OAuth2Error):
    """The hint names nobody, by its form alone (section 13)."""

    error = "unknown_user_id"
    description = "The hint does not say whom to ask."


@dataclass(frozen=True, slots=True)
class Meant:
    """Whom a request is meant for, None for nobody whom we know; `key` is what floods are counted by."""

    holder_id: UUID | None
    key: str


def read(session: Session, parameters: dict[str, str], client: Client, *, settings: Settings) -> Meant:
    """Return whom a request is meant for; raises InvalidRequestError unless there is exactly one hint, and UnknownUserId."""
    given = [name for name in HINTS if name in parameters]
    if len(given) != 1:
        raise InvalidRequestError("Give exactly one of login_hint_token, id_token_hint and login_hint.")
    unverified = parameters[given[0]]
    if given[0] == "id_token_hint":
        return _by_id_token(unverified, client, settings)
    if given[0] == "login_hint" and len(unverified) <= LONGEST:
        return _by_login_hint(session, unverified, client)
    raise UnknownUserId()


def _by_id_token(unverified: str, client: Client, settings: Settings) -> Meant:
    claims = id_tokens.read_hint(unverified, settings)
    if claims is None or claims["aud"] != client.client_id:
        raise UnknownUserId()
    return _by_sub(str(claims["sub"]), client)


def _by_login_hint(session: Session, unverified: str, client: Client) -> Meant:
    try:
        number = parse_number(unverified)
    except NumberRefused:
        return _by_sub(unverified, client)
    subject = directory.find_subject(session, number)
    return Meant(subject.id, str(subject.id)) if subject is not None else Meant(None, number.value)


def _by_sub(unverified: str, client: Client) -> Meant:
    try:
        holder_id = subject_of(unverified, client.sector)
    except NotPairwise as error:
        raise UnknownUserId() from error
    return Meant(holder_id, str(holder_id))
