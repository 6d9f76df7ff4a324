"""The endpoints at which wallets have credentials issued (OpenID4VCI 1.0 sections 7 to 11).

In this order: the token and its key; the request as it was sent; what it asks for, within what was allowed; the proofs of keys; that their
nonces are new; and only then the licence, which is locked while its credentials are made.
"""

from typing import Any

from flask import Blueprint, Response, current_app, g, request
from sqlalchemy.orm import Session

from idp.oauth import oauth_errors, profiles
from idp.oauth.access_tokens import AccessToken
from idp.oauth.binding import nonces
from idp.oauth.clients import find_client
from idp.oauth.exchange import pre_authorized_grant
from idp.oauth.server import NO_STORE
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf
from runtime.settings import Settings
from wallet.issuing.oid4vci import c_nonces, deferred, entitlement, issuing, messages, notifications, proofs
from wallet.issuing.oid4vci.callers import wallet
from wallet.issuing.oid4vci.configurations import LONGEST, Configuration, find_configuration
from wallet.issuing.oid4vci.deferred import DeferredIssuance
from wallet.issuing.oid4vci.entitlement import Asked
from wallet.issuing.oid4vci.errors import CredentialRequestDenied, InvalidProof, InvalidTransactionId
from wallet.issuing.oid4vci.issuing import Issued, NotReady, Wallet
from wallet.issuing.oid4vci.messages import Message

credentials = Blueprint("credentials", __name__)
csrf.exempt(credentials)
oauth_errors.init_blueprint(credentials)
NONCE, CREDENTIAL, DEFERRED, NOTIFICATION = "/nonce", "/credential", "/deferred", "/notification"
PLAIN = Message({}, None)


@credentials.route(NONCE, methods=["POST"])
@allow(anyone)
def nonce() -> Response:
    """Give a nonce for proofs of keys, and one for proofs by DPoP."""
    settings, moment = _settings(), now()
    nonces.hand_out(settings, now=moment)
    return messages.answer({"c_nonce": c_nonces.make(settings, now=moment)}, PLAIN, status=200)


@credentials.route(CREDENTIAL, methods=["POST"])
@allow(wallet)
def credential() -> Response:
    """Issue a licence's credentials, one for each key, or say when to come again for them."""
    settings, token, moment = _settings(), g.token, now()
    message = messages.read(settings)
    named = {name: message.text(f"credential_{name}", longest=LONGEST) for name in ("identifier", "configuration_id")}
    asked = entitlement.read(token, **named)
    messages.check_encryption(message, settings)
    proved = proofs.check(_proofs_of(message), expected=_expected(asked.configuration, token, settings), settings=settings, now=moment)
    for each in proved.nonces:
        c_nonces.spend(each, now=moment)
    _warm(asked, token, settings)
    try:
        with transaction() as session:
            licence = entitlement.find_licence(session, asked, token, now=moment)
            whom = _wallet_of(token)
            claims = entitlement.claims_for(token, asked.configuration)
            issued = issuing.issue(session, settings, licence, asked.configuration, keys=proved.keys, claims=claims, wallet=whom, now=moment)
    except NotReady:
        with transaction() as session:
            transaction_id = deferred.begin(session, asked, keys=proved.keys, wallet=_wallet_of(token), now=moment)
        return messages.answer(deferred.waiting(transaction_id), message, status=202)
    return messages.answer(issued.as_json(), message, status=200)


@credentials.route(DEFERRED, methods=["POST"])
@allow(wallet)
def deferred_credential() -> Response:
    """Issue what was asked for before, if it is ready by now."""
    settings, token = _settings(), g.token
    message = messages.read(settings)
    messages.check_encryption(message, settings)
    transaction_id = message.text("transaction_id", longest=deferred.LONGEST, error=InvalidTransactionId)
    if transaction_id is None:
        raise InvalidTransactionId()
    with transaction() as session:
        asked = _deferred(deferred.get(session, transaction_id, wallet=_wallet_of(token), now=now()), token)
    _warm(asked, token, settings)
    try:
        with transaction() as session:
            issued = _fetch(session, transaction_id, token, settings)
    except NotReady:
        return messages.answer(deferred.waiting(transaction_id), message, status=202)
    return messages.answer(issued.as_json(), message, status=200)


@credentials.route(NOTIFICATION, methods=["POST"])
@allow(wallet)
def notification() -> Response:
    """Hear what became of credentials."""
    told = notifications.read(request.get_data(cache=False), mimetype=request.mimetype)
    with transaction() as session:
        notifications.note(session, told, wallet=_wallet_of(g.token), now=now())
    return Response(status=204, headers=NO_STORE)


def announced(settings: Settings) -> dict[str, Any]:
    """Return where these endpoints are (section 12.2.4)."""
    at = settings.public_url
    return {
        "credential_endpoint": f"{at}{CREDENTIAL}",
        "nonce_endpoint": f"{at}{NONCE}",
        "deferred_credential_endpoint": f"{at}{DEFERRED}",
        "notification_endpoint": f"{at}{NOTIFICATION}",
        "batch_credential_issuance": {"batch_size": proofs.BATCH},
    }


def _fetch(session: Session, transaction_id: str, token: AccessToken, settings: Settings) -> Issued:
    moment, whom = now(), _wallet_of(token)
    row = deferred.get(session, transaction_id, wallet=whom, now=moment, lock=True)
    asked = _deferred(row, token)
    licence = entitlement.find_licence(session, asked, token, now=moment)
    row.spent_at = moment
    claims = entitlement.claims_for(token, asked.configuration)
    return issuing.issue(session, settings, licence, asked.configuration, keys=row.keys["keys"], claims=claims, wallet=whom, now=moment)


def _deferred(row: DeferredIssuance, token: AccessToken) -> Asked:
    """Return what a transaction is for; raises CredentialRequestDenied, and InsufficientScope where the token is not for it."""
    configuration = find_configuration(row.configuration)
    if configuration is None:
        raise CredentialRequestDenied("There is no such credential any more.")
    entitlement.detail_for(token, configuration)
    return Asked(configuration, row.identifier)


def _warm(asked: Asked, token: AccessToken, settings: Settings) -> None:
    with transaction() as session:
        issuer = entitlement.find_issuer(session, asked, token)
    issuing.warm(settings, asked.configuration.licence_type, issuer, now=now())


def _proofs_of(message: Message) -> Any:
    if "proofs" not in message.members:
        raise InvalidProof("proofs is missing.")
    return message.members["proofs"]


def _expected(configuration: Configuration, token: AccessToken, settings: Settings) -> proofs.Expected:
    client, anonymous = find_client(token.client_id), pre_authorized_grant.find_anonymous(settings)
    return proofs.Expected(
        algorithms=configuration.profile.proving,
        client_id=token.client_id,
        is_anonymous=anonymous is not None and anonymous.client_id == token.client_id,
        needs_attestation=client is None or profiles.needs_attested_keys(client, settings),
    )


def _wallet_of(token: AccessToken) -> Wallet:
    assert token.holder_id is not None
    return Wallet(token.client_id, token.holder_id, token.acting_person or token.holder_id)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
