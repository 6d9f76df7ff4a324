"""The pages of an authorization: consent, the choice among accounts, and a mandate that does not cover the portal. Each leads on to the portal."""

from urllib.parse import urlsplit

from flask import Response, make_response, render_template, url_for

from idp.oauth import hints, redirects, resources, scopes
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sub
from idp.oauth.requests import authorization_details, claims
from idp.oauth.server import OAuthRequest
from idp.subjects import directory
from idp.subjects.mandates import Mandate, all_of
from runtime.pages import form_may_lead_to


def consent_page(asked: OAuthRequest, grantee: Grantee, *, again: str, answer_at: str) -> Response:
    """Ask the person to allow what the portal wants; `again` is where the browser goes on after it acts for another."""
    page = render_template(
        "oauth/consent.html",
        client=asked.client,
        wanted=[(scope, scopes.OF_PEOPLE[scope]) for scope in claims.wanted_scopes(asked) if scope in scopes.OF_PEOPLE],
        details=authorization_details.words_of(asked.terms.authorization_details),
        goals=resources.names_of(asked.terms.resources, asked.settings),
        holder=pairwise_sub(grantee.holder_id, asked.client.sector),
        is_acting=grantee.is_acting,
        name=_name(asked, grantee) if grantee.is_acting else None,
        goal=answer_at,
        others=others(asked, grantee),
        again=again,
        portal_host=urlsplit(asked.payload.redirect_uri).netloc,
    )
    return _leading_to_portal(asked, page)


def choice_page(asked: OAuthRequest, grantee: Grantee, *, again: str) -> Response:
    """Say that the mandate does not cover the portal, and offer to go on as somebody else."""
    name = _name(asked, grantee)
    page = render_template("oauth/choose.html", client=asked.client, name=name, is_acting=True, others=others(asked, grantee), again=again)
    return _leading_to_portal(asked, page, status=403)


def select_page(asked: OAuthRequest, grantee: Grantee, *, again: str, answer_at: str) -> Response:
    """Let the person choose as whom they go on, among those that the portal means, if it means somebody; `again` says that they were asked."""
    possible, wanted = others(asked, grantee), hints.wanted_subs(asked)
    itself = Grantee(grantee.person_id, grantee.person_id)
    page = render_template(
        "oauth/select.html",
        client=asked.client,
        name=_name(asked, grantee),
        is_present_meant=_fits(asked, grantee, wanted),
        is_acting=grantee.is_acting,
        others=[one for one in possible if _fits(asked, Grantee.under(one, grantee.person_id), wanted)],
        may_be_itself=grantee.is_acting and _fits(asked, itself, wanted),
        again=again,
        sign_in=url_for("signin.signin", next=again),
        goal=answer_at,
    )
    return _leading_to_portal(asked, page)


def others(asked: OAuthRequest, grantee: Grantee) -> list[Mandate]:
    """Return for whom else the person could go on to the portal: those whose mandate covers it."""
    mandates = all_of(asked.session, person_id=grantee.person_id, now=asked.now)
    return [one for one in mandates if one.holder_id != grantee.holder_id and one.allows_portal(asked.client.client_id)]


def _fits(asked: OAuthRequest, grantee: Grantee, wanted: frozenset[str] | None) -> bool:
    return wanted is None or grantee.claims(asked.client.sector)["sub"] in wanted


def _name(asked: OAuthRequest, grantee: Grantee) -> str:
    return directory.name_of(directory.get_subject(asked.session, grantee.holder_id))


def _leading_to_portal(asked: OAuthRequest, page: str, *, status: int = 200) -> Response:
    return form_may_lead_to(make_response(page, status), redirects.origin_of(asked.payload.redirect_uri))
