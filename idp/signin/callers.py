"""The caller who is signed in, for the guard; and who that is, for views.

One query a request, and no transaction: the session's row, by its id, with how well its person is known. A second where the person acts for
another: the mandate, which must stand now. Once a minute more: that it was seen, and, for an organisation, whether the registry still names the
same representative.
"""

from typing import NoReturn
from urllib.parse import urlencode
from uuid import UUID

from flask import Response, current_app, flash, g, redirect, request, url_for
from flask import session as form_session
from werkzeug.exceptions import HTTPException

from idp.signin import accounts, acting, browser_secrets, marks, pending, proofs, sessions
from idp.signin.assurance import FORMAT_ONLY, MATCHED, ONE_FACTOR, Level, aal_of
from idp.signin.destinations import local_path
from idp.signin.entering import Browser, Entry
from idp.signin.sessions import Lifetimes, SignedIn
from keys import sealing
from runtime.database import transaction
from runtime.guard import Caller
from runtime.languages import Text, language
from runtime.pages import page_of_form
from runtime.problems import NotSignedIn, wants_page
from runtime.settings import Settings

KEPT = "kabao.signed_in"
NOT_DONE = Text(
    "您的登录已结束，刚才提交的内容没有办理。请登录后重新填写。",
    "Your sign-in has ended, and what you sent was not done. Sign in and fill it in again.",
)
NOT_DONE_YET = Text(
    "请先验证身份。刚才提交的内容没有办理，验证后请重新填写。", "Prove who you are first. What you sent was not done: fill it in again afterwards."
)


class GoAndSignIn(HTTPException):
    """Sends a browser to the sign-in page, and back afterwards to the page that it asked for, or that of the form it sent."""

    code = 303

    def get_response(self, *_: object, **__: object) -> Response:
        """Return the redirect."""
        return redirect(url_for("signin.signin", next=_back(NOT_DONE)), 303)  # type: ignore[return-value]


class SignedInCaller:
    """A browser in which someone is signed in; another is sent to sign in, a program is told 401."""

    name = "signed_in"

    def admit(self) -> None:
        """Leave who it is in `g.signed_in`."""
        if find_signed_in() is None:
            raise GoAndSignIn if wants_page() else NotSignedIn("no session")


signed_in = SignedInCaller()


class GoAndRaise(HTTPException):
    """Sends a browser to where the level that it lacks is raised, and back afterwards, as `GoAndSignIn` does."""

    code = 303

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def get_response(self, *_: object, **__: object) -> Response:
        """Return the redirect."""
        back = _back(NOT_DONE_YET)
        return redirect(f"{self.path}&{urlencode({'next': back})}" if back else self.path, 303)  # type: ignore[return-value]


def _back(not_done: Text) -> str | None:
    """Return where the browser goes on afterwards: to the page that it asked for, or to that of the form it sent, with a word about it."""
    if request.method in ("GET", "HEAD"):
        return request.full_path.rstrip("?")
    if is_from_here():
        flash(str(not_done), "warning")
    return page_of_form()


def is_from_here() -> bool:
    """Whether a form may have been sent by a page of ours: what another site sends must not put its cookie in the place of ours."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"


class AtLeast:
    """Someone signed in, so strongly and so well known; a browser is led to where it can raise what it lacks."""

    def __init__(self, demand: Level) -> None:
        self.demand = demand
        self.name = f"signed_in:ial{demand.ial}:aal{demand.aal}"

    def admit(self) -> None:
        """Leave who it is in `g.signed_in`; raises LevelTooLow for a program."""
        signed_in.admit()
        if aal_of(g.signed_in.amr) < self.demand.aal:
            self._lead(f"/signin/step-up?aal={self.demand.aal}")
        if g.signed_in.ial < self.demand.ial:
            self._lead(f"/account/level?ial={self.demand.ial}")

    def _lead(self, path: str) -> NoReturn:
        raise GoAndRaise(path) if wants_page() else proofs.LevelTooLow(self.name)


def at_least(*, ial: int = FORMAT_ONLY, aal: int = ONE_FACTOR) -> Caller:
    """Return the caller who is signed in, known at least so well (`ial`) and by at least so strong a sign-in (`aal`)."""
    return AtLeast(Level(ial, aal))


matched = at_least(ial=MATCHED)


def find_signed_in() -> SignedIn | None:
    """Return who is signed in in this browser, or None; asked once a request, and left in `g.signed_in` too."""
    if KEPT not in request.environ:
        token = request.cookies.get(cookie_name())
        request.environ[KEPT] = _find(token) if token else None
    g.signed_in = request.environ[KEPT]
    found: SignedIn | None = g.signed_in
    return found


def brought_ended() -> bool:
    """Whether this browser brings a session that is one no longer; whosever it was, and how it ended, is nobody's to know by it."""
    token = request.cookies.get(cookie_name())
    return token is not None and find_signed_in() is None and sessions.is_token(token)


def cookie_name() -> str:
    """Return the name of the session's cookie; over HTTPS its prefix binds it to this host."""
    return "__Host-kabao_session" if _settings().is_https else "kabao_session"


def set_cookie(response: Response, token: str) -> None:
    """Give the browser its token, which no script reads and no other site sends along."""
    response.set_cookie(cookie_name(), token, path="/", secure=_settings().is_https, httponly=True, samesite="Lax")


def forget_cookie(response: Response) -> None:
    """Take the browser's token away, and what its forms remember with it: a code that was shown is not for who sits here next."""
    form_session.clear()
    response.delete_cookie(cookie_name(), path="/", secure=_settings().is_https, httponly=True, samesite="Lax")


def forget_here() -> None:
    """Let nobody be signed in for the rest of this request: for a page that says so."""
    request.environ[KEPT] = g.signed_in = None


def this_browser() -> Browser:
    """Return what is known of the browser that asks."""
    address, agent, trusted = request.remote_addr or "", request.user_agent.string, browser_secrets.held(browser_secrets.TRUSTED)
    return Browser(address, agent, find_signed_in(), marks.here(), trusted, language())


def let_in(entry: Entry, goal: str | None) -> Response:
    """Give the browser what its proof led to, and send it on to a path of ours, or to the second step that leads there."""
    form_session.pop("csrf_token", None)
    if entry.waiting:
        return let_wait(entry.waiting, url_for("second.second", next=local_path(goal)))
    response: Response = redirect(local_path(goal), 303)  # type: ignore[assignment]
    set_cookie(response, entry.token)
    marks.give(response, entry.mark)
    browser_secrets.take_away(response, browser_secrets.WAITING)
    return response


def let_wait(secret: str, path: str) -> Response:
    """Give the browser the secret of its sign-in that waits for another proof, and send it to where that is given."""
    response: Response = redirect(path, 303)  # type: ignore[assignment]
    browser_secrets.give(response, browser_secrets.WAITING, secret, lifetime=pending.LIFETIME)
    return response


def is_known_browser(subject_id: UUID | None) -> bool:
    """Whether a person signed in in this browser before: the owner of an account is not slowed by strangers' guesses."""
    return marks.is_known(subject_id)


def lifetimes() -> Lifetimes:
    """Return how long sessions last here."""
    return Lifetimes(_settings().session_idle, _settings().session_lifetime)


def _find(token: str) -> SignedIn | None:
    present = sealing.present()
    found = sessions.find(token, lifetimes=lifetimes(), now=present)
    if found is None:
        return None
    signed_in, is_due = sessions.as_signed_in(found.row, ial=found.ial), sessions.is_due(found.row, now=present)
    if not is_due and signed_in.acting_for is None and "lang" not in request.args:
        return signed_in
    with transaction() as session:
        if "lang" in request.args:
            accounts.remember_language(session, signed_in.subject_id, language())
        if is_due:
            sessions.see(session, found.row, now=present)
        return acting.under_mandate(session, signed_in, ask_registry=is_due, now=present)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
