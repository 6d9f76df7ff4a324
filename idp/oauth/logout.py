"""What a portal asks when it signs a person out (RP-Initiated Logout 1.0), and what follows from it. Reads; ends nothing itself."""

from dataclasses import dataclass
from uuid import UUID

from authlib.common.urls import add_params_to_uri

from idp.oauth import id_tokens
from idp.oauth.clients import Client, find_client
from idp.oauth.pairwise import NotPairwise, session_of
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings


class LogoutRefused(Refusal):
    """The request names a client or an address that do not belong together; nobody is signed out, and nobody sent there."""

    code, status, title = "logout-refused", 400, Text("门户发来的退出请求有误。", "The portal's request to sign you out is not right.")


@dataclass(frozen=True, slots=True)
class LogoutAsked:
    """A logout request: the portal if it is known, the session that its hint names, and where the browser goes afterwards."""

    client: Client | None
    session_id: UUID | None
    goal: str | None


def read(parameters: dict[str, str], *, settings: Settings) -> LogoutAsked:
    """Read a logout request; raises LogoutRefused.

    A hint that is not ours counts for nothing. An address is only good with a client, exactly as registered (section 3).
    """
    hint = id_tokens.read_hint(parameters["id_token_hint"], settings) if "id_token_hint" in parameters else None
    client_id = parameters.get("client_id") or (hint["aud"] if hint else None)
    client = find_client(client_id) if client_id else None
    if hint is not None and hint["aud"] != client_id:
        raise LogoutRefused("the hint is another client's", field="client_id")
    return LogoutAsked(client, _session_of(hint, client), _goal(parameters, client))


def _session_of(hint: dict[str, str] | None, client: Client | None) -> UUID | None:
    if hint is None or client is None:
        return None
    try:
        return session_of(hint["sid"], client.client_id)
    except NotPairwise:
        return None


def _goal(parameters: dict[str, str], client: Client | None) -> str | None:
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        return None
    if client is None or uri not in client.post_logout_redirect_uris:
        raise LogoutRefused("the address is not registered", field="post_logout_redirect_uri")
    state = parameters.get("state")
    goal: str = add_params_to_uri(uri, {"state": state}) if state else uri
    return goal
