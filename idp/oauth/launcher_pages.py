"""Where a person goes from here: the portals that can be told to begin a sign-in (OpenID Connect Core section 4)."""

from urllib.parse import urlsplit

from authlib.common.urls import add_params_to_uri
from flask import Blueprint, current_app, g, render_template

from idp.oauth import clients
from idp.oauth.clients import Client
from idp.signin.callers import signed_in
from runtime.database import transaction
from runtime.guard import allow
from runtime.settings import Settings

launcher_pages = Blueprint("launcher", __name__, template_folder="templates")


@launcher_pages.route("/portals", methods=["GET"])
@allow(signed_in)
def launcher() -> str:
    """List the portals that the person, or whom they act for, may go to, each with the link that begins the sign-in there."""
    with transaction() as session:
        ids = [row.client_id for row in clients.listed(session) if row.client_metadata.get("initiate_login_uri")]
    may_go_to = [client for client in map(clients.find_client, ids) if client is not None and g.signed_in.allows_portal(client.client_id)]
    settings = current_app.extensions["kabao_settings"]
    return render_template(
        "oauth/launcher.html", portals=[(client, start_of(client, settings), urlsplit(start_of(client, settings)).netloc) for client in may_go_to]
    )


def start_of(client: Client, settings: Settings) -> str:
    """Return the address at which a portal begins a sign-in with us.

    `iss` says who we are, and `target_link_uri` is the portal's own first page, if it is registered. There is no `login_hint`: the portal will ask,
    and who is signed in by then is the one whom it is told of.
    """
    assert client.metadata.initiate_login_uri is not None
    home = {"target_link_uri": client.metadata.client_uri} if client.metadata.client_uri else {}
    start: str = add_params_to_uri(client.metadata.initiate_login_uri, {"iss": settings.public_url, **home})
    return start
