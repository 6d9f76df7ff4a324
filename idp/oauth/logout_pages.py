"""The end-session endpoint: a portal signs a person out, of everything (RP-Initiated Logout 1.0)."""

from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for

from idp.oauth import logout, portal_sessions, redirects
from idp.oauth.logout import LogoutAsked, LogoutRefused
from idp.oauth.server import as_query, once
from idp.signin import callers, sessions
from idp.signin.sessions import SignedIn, on_session_end
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf, form_may_lead_to

logout_pages = Blueprint("oauth_logout", __name__, template_folder="templates")
on_session_end.append(portal_sessions.tell_portals)


@logout_pages.route("/logout", methods=["GET"])
@allow(anyone)
def end_session() -> Response:
    """End the session that the portal's hint names, if it is this browser's; without such a hint, ask first."""
    asked, signed_in = _asked(), callers.find_signed_in()
    if signed_in is not None and signed_in.session_id != asked.session_id:
        return _ask(asked)
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
    """End the session that the person wants ended."""
    return _end(_asked(), callers.find_signed_in())


def _asked() -> LogoutAsked:
    parameters, repeated = once(request.args)
    if repeated:
        raise LogoutRefused("a parameter is repeated", field=min(repeated))
    return logout.read(parameters, settings=current_app.extensions["kabao_settings"])


def _ask(asked: LogoutAsked) -> Response:
    goal = url_for("oauth_logout.confirmed") + "?" + urlencode(once(request.args)[0])
    response = make_response(render_template("oauth/logout.html", client=asked.client, goal=goal))
    return form_may_lead_to(response, *([redirects.origin_of(asked.goal)] if asked.goal else []))


def _end(asked: LogoutAsked, signed_in: SignedIn | None) -> Response:
    if signed_in is not None:
        with transaction() as session:
            sessions.end(session, signed_in, now=now())
    response = _see(asked.goal or url_for("oauth_logout.ended"))
    callers.forget_cookie(response)
    return response


@logout_pages.route("/logout/ended", methods=["GET"])
@allow(anyone)
def ended() -> str:
    """Say that nobody is signed in any more."""
    return render_template("oauth/logged_out.html")


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response
