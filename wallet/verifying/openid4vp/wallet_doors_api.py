"""The two doors for wallets, ours or not: where a request is fetched, and where it is answered. Anyone may knock; a name opens one request alone."""

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import MethodNotAllowed

from idp.oauth import oauth_errors
from idp.oauth.server import NO_STORE
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf
from runtime.settings import Settings
from wallet.verifying.openid4vp import request_objects, responding
from wallet.verifying.openid4vp.errors import InvalidRequest
from wallet.verifying.openid4vp.request_objects import MEDIA_TYPE, Wallet

wallet_doors = Blueprint("wallet_doors", __name__)
csrf.exempt(wallet_doors)
oauth_errors.init_blueprint(wallet_doors)


@wallet_doors.route("/requests/<reference>", methods=["GET", "POST"])
@allow(anyone)
def fetch(reference: str) -> Response:
    """Give the request object to the first who asks, by GET or by POST with what the wallet can do (section 5.10)."""
    if request.method == "HEAD":
        raise MethodNotAllowed(["GET", "POST"])  # whoever only looks must not use it up
    wallet = Wallet(_once("wallet_nonce"), _once("wallet_metadata")) if request.method == "POST" else Wallet()
    with transaction() as session:
        text = request_objects.fetch(session, _settings(), reference, wallet, now=now())
    return Response(text, headers=NO_STORE, content_type=MEDIA_TYPE)


@wallet_doors.route("/responses/<reference>", methods=["POST"])
@allow(anyone)
def respond(reference: str) -> Response:
    """Take a wallet's answer, once, and say where its holder goes on (section 8.2)."""
    with transaction() as session:
        told = responding.respond(session, _settings(), reference, list(request.form.items(multi=True)), now=now())
    response = jsonify(told)
    response.headers.update(NO_STORE)
    return response


def _once(name: str) -> str | None:
    values = request.form.getlist(name)
    if len(values) > 1:
        raise InvalidRequest("A parameter is there twice.")
    return values[0] if values else None


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
