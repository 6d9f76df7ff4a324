"""The authorization endpoint, and the page on which a person consents (OpenID Connect Core section 3.1.2).

The request stays in the query from beginning to end: the consent page posts nothing but the answer, so each step reads and checks
the whole request afresh.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oidc.core.errors import AccountSelectionRequiredError
from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from idp.oauth import consents, demands, prompts, redirects, scopes
from idp.oauth.authorization_code import AuthorizationCodeGrant, Issuer, OpenId, RequireS256
from idp.oauth.clients import Client, find_client
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sub
from idp.oauth.prompts import Step
from idp.oauth.requests import resolving
from idp.oauth.server import OAuthRequest, as_query, describe, once, server
from idp.signin import proofs
from idp.signin.assurance import LEAST, Level, aal_of
from idp.signin.callers import find_signed_in, signed_in
from idp.signin.destinations import askers, origins_beyond
from idp.subjects import directory
from idp.subjects.mandates import Mandate, all_of
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.pages import csrf, form_may_lead_to
from runtime.problems import Refusal

authorize_pages = Blueprint("authorize", __name__, template_folder="templates")
server.register_grant(AuthorizationCodeGrant, [RequireS256(required=True), OpenId()])
PATHS = ("/authorize", "/authorize/consent")


class AuthorizationRefused(Refusal):
    """The request cannot be answered to the portal: it is not known where to (RFC 6749 section 4.1.2.1)."""

    code, status = "authorization-refused", 400
    title = Text("门户发来的登录请求有误，无法继续。", "The portal's request to sign you in is not right, and cannot go on.")


@authorize_pages.route("/authorize", methods=["GET"])
@allow(anyone)
def authorize() -> Response:
    """Let the person sign in and consent, as far as needed, and send the browser back to the portal."""
    with transaction() as session:
        asked = _request(session)
        return _see(_again(asked)) if asked.arrival.moved else _answer(asked, approved=False)


@authorize_pages.route("/authorize", methods=["POST"])
@allow(anyone)
@csrf.exempt
def authorize_posted() -> Response:
    """Take a request that a portal posted, as OpenID Connect wants, and go on as if it had come in the query."""
    return _see(url_for("authorize.authorize") + "?" + as_query(request.form))


@authorize_pages.route("/authorize/consent", methods=["POST"])
@allow(signed_in)
def consent() -> Response:
    """Take the person's answer; shown to one person and answered by another, the page is shown again."""
    with transaction() as session:
        asked = _request(session)
        if request.form.get("answer") == "refuse":
            return _answer(asked, refused=True)
        return _answer(asked, approved=_is_whom_the_page_was_for(asked))


def _request(session: Session) -> OAuthRequest:
    settings, moment = current_app.extensions["kabao_settings"], now()
    arrival = resolving.resolve(session, *once(request.args), settings=settings, now=moment)
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
    )


def _answer(asked: OAuthRequest, *, approved: bool = False, refused: bool = False) -> Response:
    grantee = _grantee(asked)
    try:
        if asked.arrival.refusal is not None:
            raise asked.arrival.refusal
        grant = server.get_consent_grant(asked, end_user=grantee)
        if refused:
            return _to_portal(asked, server.create_authorization_response(asked, grant_user=None, grant=grant))
        step = _next_step(asked, grantee, approved=approved)
    except OAuth2Error as error:
        return _refuse(asked, error)
    if step is Step.SIGN_IN or grantee is None:
        return _sign_in(asked)
    if step is Step.PROVE:
        return _see("/account/level?" + urlencode({"ial": _goal(asked).ial, "next": _again(asked)}))
    if step is Step.STEP_UP:
        return _see("/signin/step-up?" + urlencode({"aal": _goal(asked).aal, "next": _again(asked)}))
    if step is Step.CHOOSE:
        return _choice_page(asked, grantee)
    if step is Step.CONSENT and not approved:
        return _consent_page(asked, grantee)
    if approved:
        consents.give(asked.session, grantee, asked.client, scopes.scopes_of(asked.scope), now=asked.now)
    return _to_portal(asked, server.create_authorization_response(asked, grant_user=grantee, grant=grant))


def _next_step(asked: OAuthRequest, grantee: Grantee | None, *, approved: bool) -> Step:
    try:
        wanted = prompts.read(asked.payload.data)
        known = grantee is not None and consents.is_given(asked.session, grantee, asked.client, scopes.scopes_of(asked.scope), now=asked.now)
        auth_time = asked.signed_in.auth_time if asked.signed_in else None
        asked.reached = _reached(asked)
        demand = demands.demanded(asked.client.levels, scopes.scopes_of(asked.scope))
        step = prompts.next_step(wanted, auth_time=auth_time, consented=known or approved, now=asked.now, reached=asked.reached, demand=demand)
        return _within_mandate(asked, wanted, step)
    except OAuth2Error as error:
        error.redirect_uri, error.state = asked.payload.redirect_uri, asked.payload.state
        raise


def _within_mandate(asked: OAuthRequest, wanted: prompts.Asked, step: Step) -> Step:
    """Return the step, unless the person acts for another whose portals, as far as the mandate reaches, this one is not among."""
    if step not in (Step.CONSENT, Step.GRANT) or asked.signed_in is None or asked.signed_in.allows_portal(asked.client.client_id):
        return step
    if wanted.is_silent:
        raise AccountSelectionRequiredError()
    return Step.CHOOSE


def _reached(asked: OAuthRequest) -> Level:
    """Return how well the person who is signed in is known, and how strongly they signed in, by one query."""
    if asked.signed_in is None:
        return LEAST
    return Level(proofs.ial_of(asked.session, asked.signed_in.subject_id, now=asked.now), aal_of(asked.signed_in.amr))


def _goal(asked: OAuthRequest) -> Level:
    demand = demands.demanded(asked.client.levels, scopes.scopes_of(asked.scope))
    return demands.missing(asked.reached, demand=demand, alternatives=prompts.read(asked.payload.data).levels) or demand


def _grantee(asked: OAuthRequest) -> Grantee | None:
    return Grantee(asked.signed_in.holder_id, asked.signed_in.subject_id) if asked.signed_in else None


def _is_whom_the_page_was_for(asked: OAuthRequest) -> bool:
    client, grantee = find_client(asked.payload.client_id or ""), _grantee(asked)
    return client is not None and grantee is not None and request.form.get("holder") == pairwise_sub(grantee.holder_id, client.sector)


def _refuse(asked: OAuthRequest, error: OAuth2Error) -> Response:
    if not error.redirect_uri:
        shown = Text("请返回门户重试，并把以下说明告诉门户：{}", "Go back to the portal and try again; tell it: {}").format(describe(error))
        raise AuthorizationRefused(str(error.error), shown=shown)
    return _to_portal(asked, server.handle_error_response(asked, error))


def _to_portal(asked: OAuthRequest, response: Response) -> Response:
    """Name ourselves in the answer, and send the browser on by GET, whatever brought it here (RFC 9700 section 4.12).

    A request that is kept is used up by its answer, in the transaction that a code is made in: of two answers one alone leaves.
    """
    resolving.spend(asked.session, asked.reference, now=asked.now)
    Issuer(asked.settings).add_issuer_parameter(server, response)
    response.status_code = 303
    response.headers["Cache-Control"] = "no-store"
    return response


def _sign_in(asked: OAuthRequest) -> Response:
    if asked.signed_in is None:
        return _see(url_for("signin.signin", next=_again(asked)))
    since = {prompts.SINCE: str(prompts.milliseconds(asked.now))}
    return _see(url_for("signin.signin", next=_again(asked, **since), again="1"))


def _again(asked: OAuthRequest, **more: str) -> str:
    """Return the address at which the browser comes back to the same request."""
    return url_for("authorize.authorize") + "?" + urlencode({**asked.arrival.carried, **more})


def _consent_page(asked: OAuthRequest, grantee: Grantee) -> Response:
    wanted = [(scope, scopes.OF_PEOPLE[scope]) for scope in scopes.scopes_of(asked.scope)]
    page = render_template(
        "oauth/consent.html",
        client=asked.client,
        wanted=wanted,
        holder=pairwise_sub(grantee.holder_id, asked.client.sector),
        is_acting=grantee.is_acting,
        name=directory.name_of(directory.get_subject(asked.session, grantee.holder_id)) if grantee.is_acting else None,
        goal=url_for("authorize.consent") + "?" + urlencode(asked.arrival.carried),
        others=_others(asked, grantee),
        again=_again(asked),
        portal_host=urlsplit(asked.payload.redirect_uri).netloc,
    )
    return form_may_lead_to(make_response(page), redirects.origin_of(asked.payload.redirect_uri))


def _choice_page(asked: OAuthRequest, grantee: Grantee) -> Response:
    """Say that the mandate does not cover the portal, and offer to go on as somebody else."""
    page = render_template(
        "oauth/choose.html",
        client=asked.client,
        name=directory.name_of(directory.get_subject(asked.session, grantee.holder_id)),
        is_acting=True,
        others=_others(asked, grantee),
        again=_again(asked),
    )
    return form_may_lead_to(make_response(page, 403), redirects.origin_of(asked.payload.redirect_uri))


def _others(asked: OAuthRequest, grantee: Grantee) -> list[Mandate]:
    """Return for whom else the person could go on to the portal: those whose mandate covers it."""
    mandates = all_of(asked.session, person_id=grantee.person_id, now=asked.now)
    return [one for one in mandates if one.holder_id != grantee.holder_id and one.allows_portal(asked.client.client_id)]


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
