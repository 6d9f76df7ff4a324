"""What a portal asks when it signs a person out (RP-Initiated Logout 1.0), and what ends: its own part of a session, or the session.

A portal that proves by an ID token of the session that it is part of it ends its own part at once: its codes, its access tokens, its refresh
families. What other portals were given is touched by the person alone, who is asked as soon as there are others.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from authlib.common.urls import add_params_to_uri
from sqlalchemy.orm import Session

from idp.oauth import cutoffs, id_tokens, portal_sessions
from idp.oauth.clients import Client, find_client
from idp.oauth.pairwise import NotPairwise, pairwise_sid, pairwise_sub, session_of
from idp.signin import sessions
from idp.signin.sessions import SignedIn
from runtime import ledger
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings


class LogoutRefused(Refusal):
    """The request names a client or an address that do not belong together; nobody is signed out, and nobody sent there."""

    code, status, title = "logout-refused", 400, Text("门户发来的退出请求有误。", "The portal's request to sign you out is not right.")


@dataclass(frozen=True, slots=True)
class LogoutAsked:
    """A logout request: the portal if it is known, the session that its hint proves, where the browser goes afterwards, and whom it names."""

    client: Client | None
    session_id: UUID | None
    goal: str | None
    logout_hint: str | None = None
    ui_locales: str = ""

    def is_proven(self, signed_in: SignedIn) -> bool:
        """Whether the portal has shown an ID token of this very session."""
        return self.client is not None and self.session_id == signed_in.session_id

    def is_about_another(self, signed_in: SignedIn) -> bool:
        """Whether `logout_hint` names somebody else, or another session, in the portal's own words for them: a `sub` or a `sid`."""
        if self.client is None or self.logout_hint is None:
            return False
        names = {pairwise_sub(signed_in.holder_id, self.client.sector), pairwise_sid(signed_in.session_id, self.client.client_id)}
        return self.logout_hint not in names


def read(parameters: dict[str, str], *, settings: Settings) -> LogoutAsked:
    """Read a logout request; raises LogoutRefused.

    A hint that is not ours proves nothing, and after it the browser goes nowhere (section 4). An address is only good with a client, exactly as
    registered (section 3).
    """
    is_hinted = "id_token_hint" in parameters
    hint = id_tokens.read_hint(parameters["id_token_hint"], settings) if is_hinted else None
    client_id = parameters.get("client_id") or (hint["aud"] if hint else None)
    client = find_client(client_id) if client_id else None
    if hint is not None and hint["aud"] != client_id:
        raise LogoutRefused("the hint is another client's", field="client_id")
    goal = _goal(parameters, client) if hint is not None or not is_hinted else None
    return LogoutAsked(client, _session_of(hint, client), goal, parameters.get("logout_hint"), parameters.get("ui_locales", ""))


def leave(session: Session, signed_in: SignedIn, client: Client, *, now: datetime) -> None:
    """End one portal's part of a session, with all that it was given there; the session, and what others were given, go on."""
    portal_sessions.tell_portal(session, signed_in.session_id, client.client_id)
    cutoffs.cut_portal(session, signed_in.session_id, client.client_id, now=now)
    actor = f"subject:{signed_in.subject_id}"
    ledger.record(session, "portal.signed_out", actor=actor, object_id=client.client_id, subject_id=signed_in.holder_id, now=now)


def end(session: Session, signed_in: SignedIn, client: Client | None, *, now: datetime) -> None:
    """End the session, and the part of the portal that asked for it; the other portals hear of it, and end what is theirs."""
    if client is not None and portal_sessions.is_open(session, session_id=signed_in.session_id, client_id=client.client_id):
        leave(session, signed_in, client, now=now)
    sessions.end(session, signed_in, now=now)


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
