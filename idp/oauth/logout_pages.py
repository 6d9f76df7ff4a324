"""The end-session endpoint: a portal signs a person out, of itself or of everything (RP-Initiated Logout 1.0, Front-Channel Logout 1.0)."""

from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from idp.oauth import front_channel, logout, portal_sessions, redirects
from idp.oauth.front_channel import Frame
from idp.oauth.logout import LogoutAsked, LogoutRefused
from idp.oauth.server import as_query, once
from idp.signin import callers
from idp.signin.sessions import SignedIn, on_session_end
from idp.signin.signin_pages import farewells
from runtime import languages
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf, form_may_lead_to

logout_pages = Blueprint("oauth_logout", __name__, template_folder="templates")
on_session_end.append(portal_sessions.tell_portals)


@logout_pages.route("/logout", methods=["GET"])
@allow(anyone)
def end_session() -> Response:
    """End the part of the portal that proves to be of this browser's session; ask about the rest, if any, and about all without a proof."""
    asked, signed_in = _asked(), callers.find_signed_in()
    if signed_in is None:
        return _go(asked, [])
    if not asked.is_proven(signed_in):
        return _ask(asked, signed_in)
    with transaction() as session:
        if _others(session, asked, signed_in):
            _leave(session, asked, signed_in)
            return _ask(asked, signed_in)
    return _end(asked, signed_in)


@logout_pages.route("/logout", methods=["POST"])
@allow(anyone)
@csrf.exempt
def end_session_posted() -> Response:
    """Take a request that a portal posted, and go on as if it had come in the query: only so does the browser's cookie come along."""
    return _see(url_for("oauth_logout.end_session") + "?" + as_query(request.form))


@logout_pages.route("/logout/confirmed", methods=["POST"])
@allow(anyone)
def confirmed() -> Response:
    """End what the person wants ended: this portal's part, or the session."""
    asked, signed_in = _asked(), callers.find_signed_in()
    if signed_in is None or request.form.get("reach") != "portal" or asked.client is None:
        return _end(asked, signed_in)
    with transaction() as session:
        _leave(session, asked, signed_in)
    return _go(asked, _frames([asked.client.client_id], signed_in), is_everywhere=False)


@logout_pages.route("/logout/ended", methods=["GET"])
@allow(anyone)
def ended() -> str:
    """Say that nobody is signed in any more."""
    return render_template("oauth/logged_out.html", frames=[], goal=None, is_everywhere=True)


@logout_pages.route("/logout/left", methods=["GET"])
@allow(anyone)
def left() -> str:
    """Say that one portal was left, and the rest goes on."""
    return render_template("oauth/logged_out.html", frames=[], goal=None, is_everywhere=False)


def _asked() -> LogoutAsked:
    parameters, repeated = once(request.args.items(multi=True))
    if repeated:
        raise LogoutRefused("a parameter is repeated", field=min(repeated))
    asked = logout.read(parameters, settings=current_app.extensions["kabao_settings"])
    languages.suggest(asked.ui_locales)
    return asked


def _ask(asked: LogoutAsked, signed_in: SignedIn) -> Response:
    """Ask how far it goes. Without a proof nothing has ended yet; with one, the portal's own part has."""
    with transaction() as session:
        here = [] if asked.client is None else portal_sessions.portals_of(session, signed_in.session_id)
    page = render_template(
        "oauth/logout.html",
        client=asked.client,
        goal=url_for("oauth_logout.confirmed") + "?" + urlencode(once(request.args.items(multi=True))[0]),
        has_left=asked.is_proven(signed_in),
        is_about_another=asked.is_about_another(signed_in),
        may_leave_one=asked.is_proven(signed_in) or (asked.client is not None and asked.client.client_id in here and len(here) > 1),
    )
    return form_may_lead_to(make_response(page), *([redirects.origin_of(asked.goal)] if asked.goal else []))


def _others(session: Session, asked: LogoutAsked, signed_in: SignedIn) -> list[str]:
    portals = portal_sessions.portals_of(session, signed_in.session_id)
    return [client_id for client_id in portals if asked.client is None or client_id != asked.client.client_id]


def _leave(session: Session, asked: LogoutAsked, signed_in: SignedIn) -> None:
    """End the portal's part, unless it has ended already."""
    if asked.client is not None and portal_sessions.is_open(session, session_id=signed_in.session_id, client_id=asked.client.client_id):
        logout.leave(session, signed_in, asked.client, now=now())


def _end(asked: LogoutAsked, signed_in: SignedIn | None) -> Response:
    frames = []
    if signed_in is not None:
        with transaction() as session:
            itself = [asked.client.client_id] if asked.client is not None and asked.is_proven(signed_in) else []
            frames = _frames([*itself, *portal_sessions.portals_of(session, signed_in.session_id)], signed_in)
            logout.end(session, signed_in, asked.client, now=now())
        callers.forget_here()
    response = _go(asked, frames)
    callers.forget_cookie(response)
    return response


def _frames(client_ids: list[str], signed_in: SignedIn) -> list[Frame]:
    return front_channel.frames_of(dict.fromkeys(client_ids), signed_in.session_id, settings=current_app.extensions["kabao_settings"])


def _go(asked: LogoutAsked, frames: list[Frame], *, is_everywhere: bool = True) -> Response:
    """Send the browser on, by way of the page on which portals are told, where any wants to be told so."""
    if frames:
        return front_channel.farewell(frames, goal=asked.goal, is_everywhere=is_everywhere)
    return _see(asked.goal or url_for("oauth_logout.ended" if is_everywhere else "oauth_logout.left"))


def _say_farewell(session: Session, signed_in: SignedIn) -> Response | None:
    """Tell the portals of a session that the person ends here, where any wants to be told through the browser."""
    frames = _frames(portal_sessions.portals_of(session, signed_in.session_id), signed_in)
    if not frames:
        return None
    callers.forget_here()
    return front_channel.farewell(frames, goal=None, is_everywhere=True)


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response


farewells.append(_say_farewell)
