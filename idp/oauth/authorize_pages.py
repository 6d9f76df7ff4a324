"""The authorization endpoint: what a browser is given for a request, from the sign-in to the response (OpenID Connect Core section 3.1.2).

The request stays in the query from beginning to end: the pages post nothing but the answer, so each step reads and checks the whole request afresh.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from urllib.parse import parse_qsl, urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError
from authlib.oidc.core.errors import AccountSelectionRequiredError, LoginRequiredError
from flask import Blueprint, Response, current_app, redirect, request, url_for
from flask import session as browser
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from idp.oauth import authorization_screens, codes, consents, demands, hints, prompts, response_modes, waymarks
from idp.oauth.authorization_code import AuthorizationCodeGrant, OpenId, RequireS256
from idp.oauth.clients import Client, find_client
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sub
from idp.oauth.prompts import Step
from idp.oauth.requests import claims, resolving
from idp.oauth.requests.pushed import NotKept
from idp.oauth.server import OAuthRequest, as_query, describe, once, server
from idp.signin.assurance import LEAST, Level, aal_of
from idp.signin.callers import find_signed_in, signed_in
from idp.signin.destinations import askers, origins_beyond
from idp.subjects import mandates
from runtime import languages
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.pages import csrf
from runtime.problems import Refusal

authorize_pages = Blueprint("authorize", __name__, template_folder="templates")
server.register_grant(AuthorizationCodeGrant, [RequireS256(required=True), OpenId()])
PATHS = ("/authorize", "/authorize/consent")
WALK = "walk"


class AuthorizationRefused(Refusal):
    """The request cannot be answered to the portal: it is not known where to (RFC 6749 section 4.1.2.1)."""

    code, status = "authorization-refused", 400
    title = Text("门户发来的登录请求有误，无法继续。", "The portal's request to sign you in is not right, and cannot go on.")


@authorize_pages.route("/authorize", methods=["GET"])
@allow(anyone)
def authorize() -> Response:
    """Let the person sign in, choose and consent, as far as needed, and send the browser back to the portal."""
    with transaction() as session:
        asked = _request(session)
        return _see(again(asked)) if asked.arrival.moved else _answer(asked, approved=False)


@authorize_pages.route("/authorize", methods=["POST"])
@allow(anyone)
@csrf.exempt
def authorize_posted() -> Response:
    """Take a request that a portal posted, as OpenID Connect wants, and go on as if it had come in the query."""
    spoken = [(name, value) for name, value in request.form.items(multi=True) if hints.speakable({name: value})]
    return _see(url_for("authorize.authorize") + "?" + as_query(MultiDict(spoken)))


@authorize_pages.route("/authorize/consent", methods=["POST"])
@allow(signed_in)
def consent() -> Response:
    """Take the person's answer; where it is none, or the page was shown to another person, the page is shown again."""
    said = request.form.get("answer")
    with transaction() as session:
        asked = _request(session, pressed=True)
        if said == "refuse":
            return _answer(asked, refused=True)
        return _answer(asked, approved=said == "approve" and _is_whom_the_page_was_for(asked))


def _request(session: Session, *, pressed: bool = False) -> OAuthRequest:
    settings, moment = current_app.extensions["kabao_settings"], now()
    brought, repeated = once(request.args.items(multi=True))
    own = waymarks.without(hints.speakable(brought))
    arrival = resolving.resolve(session, own, repeated - waymarks.OWN, settings=settings, now=moment, pressed=pressed)
    languages.suggest(arrival.parameters.get("ui_locales", ""))
    return OAuthRequest(
        "GET",
        arrival.parameters,
        session=session,
        settings=settings,
        now=moment,
        signed_in=find_signed_in(),
        repeated=arrival.repeated,
        headers=request.headers,
        path=request.path,
        arrival=arrival,
        marks=waymarks.read(brought, carried=_in_this_browser(arrival.carried), settings=settings, now=moment),
    )


def _answer(asked: OAuthRequest, *, approved: bool = False, refused: bool = False) -> Response:
    grantee = _grantee(asked)
    try:
        if asked.arrival.refusal is not None:
            raise asked.arrival.refusal
        grant = server.get_consent_grant(asked, end_user=grantee)
    except OAuth2Error as error:
        return _refuse(asked, error)
    try:
        if refused:
            raise AccessDeniedError() if _is_whom_was_meant(asked, grantee) else LoginRequiredError()
        step = _next_step(asked, grantee, approved=approved)
        answered = step is Step.GRANT or (step is Step.CONSENT and approved)  # prompt=consent asks once, and is answered
        if answered and grantee is not None:
            return _grant(asked, grantee, grant, approved=approved)
    except OAuth2Error as error:
        return _tell(asked, error)
    return _lead(asked, grantee, step)


def _grant(asked: OAuthRequest, grantee: Grantee, grant: AuthorizationCodeGrant, *, approved: bool) -> Response:
    if approved:
        consents.give(asked.session, grantee, asked.client, claims.wanted_scopes(asked), now=asked.now, terms=asked.terms)
    return _leave(asked, grant.respond(grantee))


def _lead(asked: OAuthRequest, grantee: Grantee | None, step: Step) -> Response:
    """Give the browser the page of a step, or lead it to where the step is taken, from where it comes back."""
    if step is Step.SIGN_IN or grantee is None:
        return _sign_in(asked)
    if step is Step.PROVE:
        return _see("/account/level?" + urlencode({"ial": _goal(asked).ial, "next": again(asked)}))
    if step is Step.STEP_UP:
        return _see("/signin/step-up?" + urlencode({"aal": _goal(asked).aal, "next": again(asked)}))
    if step is Step.SELECT:
        return authorization_screens.select_page(asked, grantee, again=again(asked, waymarks.CHOSEN), answer_at=_answer_at(asked))
    if step is Step.CHOOSE:
        return authorization_screens.choice_page(asked, grantee, again=again(asked))
    return authorization_screens.consent_page(asked, grantee, again=again(asked), answer_at=_answer_at(asked))


def _next_step(asked: OAuthRequest, grantee: Grantee | None, *, approved: bool) -> Step:
    """Return what comes next; raises what the portal is told instead."""
    wanted, asked.reached = _wanted(asked), _reached(asked)
    known = grantee is not None and consents.is_given(
        asked.session, grantee, asked.client, claims.wanted_scopes(asked), now=asked.now, terms=asked.terms
    )
    is_meant = _is_whom_was_meant(asked, grantee)
    if wanted.is_silent and not is_meant:
        _check_cannot_be_selected(asked)
    step = prompts.next_step(
        wanted,
        auth_time=asked.signed_in.auth_time if asked.signed_in else None,
        consented=known or approved,
        now=asked.now,
        reached=asked.reached,
        demand=_demand(asked),
        is_whom_was_meant=is_meant,
        is_whom_was_expected=_is_whom_was_expected(asked, grantee),
        has_others=prompts.SELECT_ACCOUNT in wanted.prompts and _has_others(asked),
    )
    return _within_mandate(asked, wanted, step)


def _within_mandate(asked: OAuthRequest, wanted: prompts.Asked, step: Step) -> Step:
    """Return the step, unless the person acts for another whose portals, as far as the mandate reaches, this one is not among."""
    if step not in (Step.CONSENT, Step.GRANT) or asked.signed_in is None or asked.signed_in.allows_portal(asked.client.client_id):
        return step
    if wanted.is_silent:
        raise AccountSelectionRequiredError()
    return Step.CHOOSE


def _is_whom_was_meant(asked: OAuthRequest, grantee: Grantee | None) -> bool:
    wanted = hints.wanted_subs(asked)
    return wanted is None or grantee is None or sub_of(asked, grantee) in wanted


def _is_whom_was_expected(asked: OAuthRequest, grantee: Grantee | None) -> bool:
    expected = hints.expected_sub(asked)
    return expected is None or grantee is None or sub_of(asked, grantee) == expected


def _check_cannot_be_selected(asked: OAuthRequest) -> None:
    """Check that no mandate of the person's makes them whom the portal means; raises AccountSelectionRequiredError (section 3.1.2.6)."""
    wanted, who = hints.wanted_subs(asked) or frozenset(), asked.signed_in
    if who is None:
        return
    holders = [who.subject_id, *(one.holder_id for one in mandates.acted_for(asked.session, person_id=who.subject_id, now=asked.now))]
    if any(sub_of(asked, Grantee(holder_id, who.subject_id)) in wanted for holder_id in holders):
        raise AccountSelectionRequiredError()


def _has_others(asked: OAuthRequest) -> bool:
    who = asked.signed_in
    return who is not None and bool(who.acting_for or mandates.acted_for(asked.session, person_id=who.subject_id, now=asked.now))


def sub_of(asked: OAuthRequest, grantee: Grantee) -> str:
    """Return what the portal calls somebody."""
    return str(grantee.claims(asked.client.sector)["sub"])


def _wanted(asked: OAuthRequest) -> prompts.Asked:
    return prompts.read(asked.payload.data, marks=asked.marks, metadata=asked.client.metadata)


def _reached(asked: OAuthRequest) -> Level:
    """Return how well the person who is signed in is known, and how strongly they signed in."""
    return Level(asked.signed_in.ial, aal_of(asked.signed_in.amr)) if asked.signed_in is not None else LEAST


def _demand(asked: OAuthRequest) -> Level:
    demand = demands.demanded(asked.client.levels, claims.wanted_scopes(asked))
    return demand.and_also(demands.MATCHED_PERSON) if asked.terms.authorization_details else demand


def _goal(asked: OAuthRequest) -> Level:
    demand = _demand(asked)
    return demands.missing(asked.reached, demand=demand, alternatives=_wanted(asked).levels) or demand


def _grantee(asked: OAuthRequest) -> Grantee | None:
    return Grantee(asked.signed_in.holder_id, asked.signed_in.subject_id) if asked.signed_in else None


def _is_whom_the_page_was_for(asked: OAuthRequest) -> bool:
    client, grantee = find_client(asked.payload.client_id or ""), _grantee(asked)
    return client is not None and grantee is not None and request.form.get("holder") == pairwise_sub(grantee.holder_id, client.sector)


def _refuse(asked: OAuthRequest, error: OAuth2Error) -> Response:
    """Tell what is wrong with a request: the portal, once client and address are sure, else the person."""
    if error.redirect_uri:
        return _tell(asked, error)
    raise _refusal(error)


def _refusal(error: OAuth2Error) -> Refusal:
    if isinstance(error, NotKept):
        return error.refusal(describe(error))
    shown = Text("如需联系门户，请提供这句说明：{}", "If you write to the portal, quote this: {}").format(describe(error))
    return AuthorizationRefused(f"{error.error}: {describe(error)}", shown=shown)


def _tell(asked: OAuthRequest, error: OAuth2Error) -> Response:
    said = describe(error)
    return _leave(asked, {"error": str(error.error), **({"error_description": said} if said else {})})


def _leave(asked: OAuthRequest, parameters: dict[str, str]) -> Response:
    """Use the request up, in the transaction that a code is made in, and answer it: of two answers to one that is kept here one alone counts."""
    take_back = partial(_take_back, asked, is_approved="code" in parameters) if asked.arrival.pressed else None
    try:
        resolving.spend(asked.session, asked.reference, now=asked.now, take_back=take_back)
        return response_modes.answer(asked, parameters)
    except OAuth2Error as error:  # it was answered already, or the client cannot be written to: nothing more goes to the portal
        raise _refusal(error) from error


def _take_back(asked: OAuthRequest, before: datetime, *, is_approved: bool) -> bool:
    """Take back the code that the same person was given as they pressed the same button before; a refusal needs only be one."""
    if not is_approved:
        return not codes.is_given(asked.session, client_id=asked.client.client_id, at=before)
    assert asked.signed_in is not None
    who = {"session_id": asked.signed_in.session_id, "holder_id": asked.signed_in.holder_id, "client_id": asked.client.client_id}
    return codes.take_back(asked.session, **who, at=before, now=asked.now)


def _sign_in(asked: OAuthRequest) -> Response:
    goal = again(asked, waymarks.LOGIN_ASKED)
    if asked.signed_in is None:
        return _see(url_for("signin.signin", next=goal))
    return _see(url_for("signin.signin", next=goal, again="1"))


def again(asked: OAuthRequest, *marks: str) -> str:
    """Return the address at which the browser comes back to the same request, with its marks and some more of ours."""
    more = asked.marks.sealed(*marks, carried=_in_this_browser(asked.arrival.carried, begin=bool(marks)), settings=asked.settings, now=asked.now)
    return url_for("authorize.authorize") + "?" + urlencode({**asked.arrival.carried, **more})


def _in_this_browser(carried: Mapping[str, str], *, begin: bool = False) -> dict[str, str]:
    """Return what a mark is sealed with: the request, and a word that this browser alone has, so that a step taken in one counts in no other."""
    if begin and WALK not in browser:
        browser[WALK] = secrets.token_urlsafe(16)
    return {**carried, "": browser.get(WALK, "")}


def _answer_at(asked: OAuthRequest) -> str:
    """Return where the person's answer is posted to: the request goes along as the browser carries it."""
    return url_for("authorize.consent") + "?" + urlsplit(again(asked)).query


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response


def _origins_beyond(path: str) -> list[str]:
    """Return where an authorization request may lead the browser: to an address of the client's."""
    client, asked = _asking(path)
    return resolving.origins_of(client, asked, settings=current_app.extensions["kabao_settings"]) if client is not None else []


def _asker(path: str) -> Text | None:
    """Return the name of the portal that an authorization request is of."""
    client, _ = _asking(path)
    return client.name if client is not None and _origins_beyond(path) else None


def _asking(path: str) -> tuple[Client | None, dict[str, str]]:
    parts = urlsplit(path)
    asked = dict(parse_qsl(parts.query))
    return find_client(asked.get("client_id", "")) if parts.path in PATHS else None, asked


origins_beyond.append(_origins_beyond)
askers.append(_asker)
