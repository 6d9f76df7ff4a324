"""The operators' pages for clients: find one, see it whole, register, change, close and open it, give it another secret."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from idp.oauth import clients
from idp.oauth.registration import changes, client_forms
from idp.oauth.registration.client_forms import EditClientForm, NewClientForm
from idp.oauth.registration.documents import operator_document_of
from idp.oauth.registration.members import GROUPS
from idp.oauth.registration.registering import ClientRegistration
from idp.oauth.registration.security import effective_security
from idp.signin.operators import fresh_operator, operator
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text, text_of
from runtime.problems import Refusal

client_pages = Blueprint("admin_clients", __name__, template_folder="templates")
LONGEST_QUERY = 100
DONE = {
    "disable": Text("已停用，立即生效。", "It is closed from now on."),
    "enable": Text("已启用。", "It is open again."),
}
NO_NEW_SECRET = Text("没有更换密钥，请先核对。", "No new secret was made; look at it first.")


class NoSuchClient(Refusal):
    """There is no client of this id."""

    code, status, title = "no-such-client", 404, Text("没有该客户端。", "There is no such client.")


@client_pages.route("/admin", methods=["GET"])
@allow(operator)
def admin() -> AnyResponse:
    """Lead to the clients."""
    return redirect(url_for("admin_clients.listed"), 303)


@client_pages.route("/admin/clients", methods=["GET"])
@allow(operator)
def listed() -> str:
    """List clients, a page at a time."""
    query, after = request.args.get("q", "").strip()[:LONGEST_QUERY], request.args.get("after", "")[:LONGEST_QUERY]
    with transaction() as session:
        found = changes.page_of(session, query=query, after=after)
    return render_template("registration/clients.html", rows=found, query=query, after=after, is_full=len(found) == changes.PAGE)


@client_pages.route("/admin/clients/new", methods=["GET", "POST"])
@allow(fresh_operator)
def add() -> AnyResponse:
    """Register a client."""
    form = NewClientForm()
    if request.method == "GET":
        client_forms.show(form, {"token_endpoint_auth_method": "private_key_jwt", "subject_type": "pairwise", "application_type": "web"})
        return _form_page(form, None, 200)
    client_id = (form.client_id.data or "").strip()
    return _put(form, None, lambda session, document: changes.add(session, document, client_id=client_id, now=now(), actor=_actor()))


@client_pages.route("/admin/clients/<client_id>", methods=["GET"])
@allow(operator)
def shown(client_id: str) -> str:
    """Show all of a client."""
    with transaction() as session:
        return _client_page(session, client_id, present=now())


@client_pages.route("/admin/clients/<client_id>/edit", methods=["GET", "POST"])
@allow(fresh_operator)
def edit(client_id: str) -> AnyResponse:
    """Change a client."""
    form = EditClientForm()
    with transaction() as session:
        row = _row(session, client_id)
    if request.method == "GET":
        client_forms.show(form, operator_document_of(row))
        form.mark.data = changes.mark_of(row)
        return _form_page(form, client_id, 200)
    mark = form.mark.data or ""
    try:
        return _put(form, client_id, lambda session, document: changes.change(session, client_id, document, now=now(), actor=_actor(), mark=mark))
    except changes.ClientChanged as changed:
        with transaction() as session:
            row = _row(session, client_id)
        form.mark.data = changes.mark_of(row)
        return _form_page(form, client_id, changed.status, differing=client_forms.differing(form, operator_document_of(row)))


@client_pages.route("/admin/clients/<client_id>/rotate-secret", methods=["POST"])
@allow(fresh_operator)
def rotate_secret(client_id: str) -> AnyResponse:
    """Give a client a further secret, and show it once; sent again, as a page is that is loaded anew, the button does nothing."""
    present = now()
    try:
        with transaction() as session:
            _row(session, client_id)
            mark, ends_former = request.form.get("mark", ""), request.form.get("ends_former") == "1"
            secret = changes.rotate_secret(session, client_id, now=present, actor=_actor(), mark=mark, ends_former=ends_former)
            return make_response(_client_page(session, client_id, secret=secret, present=present))
    except (changes.ClientChanged, changes.SecretChanging) as changed:
        flash(f"{changed.title} {NO_NEW_SECRET}", "warning")
        return redirect(url_for("admin_clients.shown", client_id=client_id), 303)


@client_pages.route("/admin/clients/<client_id>/<any(disable, enable):act>", methods=["POST"])
@allow(fresh_operator)
def switch(client_id: str, act: str) -> AnyResponse:
    """Close a client, or open it again."""
    do = changes.disable if act == "disable" else changes.enable
    with transaction() as session:
        _row(session, client_id)
        do(session, client_id, now=now(), actor=_actor())
    flash(str(DONE[act]), "success")
    return redirect(url_for("admin_clients.shown", client_id=client_id), 303)


def _put(form: Any, client_id: str | None, put: Callable[[Session, dict[str, Any]], tuple[clients.RegisteredClient, str | None]]) -> AnyResponse:
    if not form.validate():
        return _form_page(form, client_id, 422)
    try:
        with transaction() as session:
            row, secret = put(session, client_forms.read(form))
            for warning in changes.warnings_of(session, row):
                flash(str(warning), "warning")
            if secret is not None:
                session.flush()
                return make_response(_client_page(session, row.client_id, secret=secret, present=now()))
    except (clients.ClientRefused, clients.ClientKnown) as refusal:
        said = refusal.reason.partition(": ")[2] or (refusal.shown or refusal.title)
        client_forms.blame(form, refusal.field, str(said))
        return _form_page(form, client_id, refusal.status)
    flash(str(Text("已保存。", "It is saved.")), "success")
    return redirect(url_for("admin_clients.shown", client_id=row.client_id), 303)


def _form_page(form: Any, client_id: str | None, status: int, **more: Any) -> Response:
    return make_response(render_template("registration/client_form.html", form=form, groups=GROUPS, client_id=client_id, **more), status)


def _client_page(session: Session, client_id: str, *, present: datetime, secret: str | None = None) -> str:
    row = _row(session, client_id)
    return render_template(
        "registration/client.html",
        row=row,
        name=text_of(row.name),
        secret=secret,
        document=operator_document_of(row),
        mark=changes.mark_of(row),
        former_is_good=changes.is_changing(row, now=present),
        groups=GROUPS,
        security=effective_security(row),
        grants=changes.count_grants(session, client_id, now=present),
        last_used=changes.last_used(session, client_id),
        registration=session.get(ClientRegistration, client_id),
    )


def _row(session: Session, client_id: str) -> clients.RegisteredClient:
    row = session.get(clients.RegisteredClient, client_id) if clients.CLIENT_ID.fullmatch(client_id) else None
    if row is None:
        raise NoSuchClient
    return row


def _actor() -> str:
    return f"operator:{g.signed_in.subject_id}"
