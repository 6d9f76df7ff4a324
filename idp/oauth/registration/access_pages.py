"""The operators' pages for who may register themselves: initial access tokens and policies."""

from datetime import timedelta
from uuid import UUID

import yaml
from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idp.oauth import owners
from idp.oauth.registration import initial_tokens, policies
from idp.oauth.registration.client_forms import PolicyForm, TokenForm, blame
from idp.oauth.registration.initial_tokens import TokenRefused
from idp.oauth.registration.policies import NoSuchPolicy, PolicyChanged, PolicyRefused, RegistrationPolicy
from idp.signin.operators import fresh_operator, operator
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text

access_pages = Blueprint("admin_registration", __name__, template_folder="templates")
MOST_DAYS = 366
EXAMPLE = """name: portals-of-the-city
owner: 11379999000000035T
grant_types: [authorization_code, refresh_token]
scopes: [openid, profile]
auth_methods: [private_key_jwt]
redirect_hosts: ["*.example.gov.cn"]
client_limit: 100
"""


@access_pages.route("/admin/registration/tokens", methods=["GET"])
@allow(operator)
def tokens() -> Response:
    """Show the tokens, and the form for another."""
    return _tokens_page(TokenForm(), 200)


@access_pages.route("/admin/registration/tokens", methods=["POST"])
@allow(fresh_operator)
def make_token() -> Response:
    """Make a token and show it once."""
    form, present = TokenForm(), now()
    uses, days = _whole(form.uses.data), _whole(form.days.data)
    if not form.validate():
        return _tokens_page(form, 422)
    if not 0 < days <= MOST_DAYS:
        blame(form, "days", str(Text("请填写1至366。", "From 1 to 366.")))
        return _tokens_page(form, 422)
    try:
        with transaction() as session:
            expires_at = present + timedelta(days=days)
            _, token = initial_tokens.issue(session, policy=form.policy.data, uses=uses, expires_at=expires_at, now=present, actor=_actor())
    except (NoSuchPolicy, TokenRefused) as refusal:
        blame(form, refusal.field, refusal.reason or str(refusal.title))
        return _tokens_page(form, 422)
    return _tokens_page(TokenForm(formdata=None), 200, token=token)


@access_pages.route("/admin/registration/tokens/<uuid:token_id>/revoke", methods=["POST"])
@allow(fresh_operator)
def revoke_token(token_id: UUID) -> AnyResponse:
    """End a token."""
    with transaction() as session:
        initial_tokens.revoke(session, token_id, now=now(), actor=_actor())
    flash(str(Text("令牌已作废。", "The token is revoked.")), "success")
    return redirect(url_for("admin_registration.tokens"), 303)


@access_pages.route("/admin/registration/policies", methods=["GET"])
@allow(operator)
def policies_page() -> Response:
    """Show the policies, and the form for another, or for the one that is named."""
    form, named = PolicyForm(), request.args.get("name", "")
    with transaction() as session:
        row = session.get(RegistrationPolicy, named)
    form.document.data = _written(row) if row is not None else EXAMPLE
    return _policies_page(form, 200, seen=row.mark if row is not None else "")


@access_pages.route("/admin/registration/policies", methods=["POST"])
@allow(fresh_operator)
def apply_policy() -> AnyResponse:
    """Write a policy."""
    form, seen = PolicyForm(), request.form.get("seen", "")
    if not form.validate():
        return _policies_page(form, 422, seen=seen)
    try:
        document = yaml.safe_load((form.document.data or "")[: 64 * 1024])
        with transaction() as session:
            given = document if isinstance(document, dict) else {}
            written = policies.apply(session, given, now=now(), actor=_actor(), seen=seen)
            is_known = owners.is_known(session, written.owner)
    except yaml.YAMLError:
        blame(form, "document", str(Text("不是有效的 YAML 或 JSON。", "It is neither YAML nor JSON.")))
        return _policies_page(form, 422, seen=seen)
    except PolicyRefused as refusal:
        blame(form, "document", refusal.reason)
        return _policies_page(form, 422, seen=seen)
    except PolicyChanged as changed:
        blame(form, "document", str(changed.title))
        return _policies_page(form, changed.status, seen=_mark_of(str(given.get("name"))))
    flash(str(Text("策略已保存。", "The policy is applied.")), "success")
    if not is_known:
        flash(str(owners.UNKNOWN), "warning")
    return redirect(url_for("admin_registration.policies_page"), 303)


@access_pages.route("/admin/registration/policies/<name>/remove", methods=["POST"])
@allow(fresh_operator)
def remove_policy(name: str) -> AnyResponse:
    """Take a policy away."""
    with transaction() as session:
        policies.remove(session, name, now=now(), actor=_actor(), seen=request.form.get("seen", ""))
    flash(str(Text("策略已删除。", "The policy is removed.")), "success")
    return redirect(url_for("admin_registration.policies_page"), 303)


def _tokens_page(form: TokenForm, status: int, *, token: str | None = None) -> Response:
    present = now()
    with transaction() as session:
        names = [row.name for row in policies.all_policies(session)]
        rows = initial_tokens.latest(session)
    form.policy.choices = names
    page = render_template("registration/tokens.html", form=form, rows=rows, names=names, token=token, present=present)
    return make_response(page, status)


def _policies_page(form: PolicyForm, status: int, *, seen: str) -> Response:
    with transaction() as session:
        rows = [(policies.read(row.document), row) for row in policies.all_policies(session)]
    return make_response(render_template("registration/policies.html", form=form, rows=rows, seen=seen), status)


def _mark_of(name: str) -> str:
    """Return the mark of a policy that the page shows from now on, empty where it went."""
    with transaction() as session:
        row = session.get(RegistrationPolicy, name)
    return row.mark if row is not None else ""


def _written(row: RegistrationPolicy) -> str:
    return yaml.safe_dump(row.document, allow_unicode=True, sort_keys=False)


def _whole(text: str | None) -> int:
    said = (text or "").strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 6 else 0


def _actor() -> str:
    return f"operator:{g.signed_in.subject_id}"
