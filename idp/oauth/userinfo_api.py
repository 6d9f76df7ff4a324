"""The userinfo endpoint: who a token stands for, in JSON, signed or encrypted as the client registered (OpenID Connect Core section 5.3).

In order: the token, from the header or from a posted form, never from the address; its scope; what it allows; how the client wants it told.
"""

from typing import Any

from flask import Blueprint, current_app, g

from idp.oauth import clients, oauth_errors, person_claims, scopes, signed_answers
from idp.oauth.access_tokens import AccessToken, InvalidToken
from idp.oauth.callers import bearer
from idp.oauth.clients import Client
from idp.oauth.person_claims import Telling
from idp.oauth.server import NO_STORE
from runtime import compact_json, lean
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.lean import Answer, Posted
from runtime.pages import csrf

userinfo = Blueprint("userinfo", __name__)
csrf.exempt(userinfo)
oauth_errors.init_blueprint(userinfo)
TYP = "JWT"
DOCUMENT = (("Content-Type", "application/json"), *NO_STORE.items())
SIGNED = (("Content-Type", signed_answers.JWT), *NO_STORE.items())


@lean.get(userinfo, "/userinfo", and_by=["POST"])
@allow(bearer(scopes.OPENID, in_body=True))
def who(_: Posted) -> Answer:
    """Give the claims that the token allows."""
    token: AccessToken = g.token
    client = clients.find_client(token.client_id)
    if token.grantee is None or client is None:
        raise InvalidToken("not a person's")
    telling = Telling(client, token, token.grantee, current_app.extensions["kabao_settings"], now())
    with transaction() as session:
        claims = person_claims.claims_of(session, telling)
    return _written(client, claims, telling)


def _written(client: Client, claims: dict[str, Any], telling: Telling) -> Answer:
    wanted = client.metadata
    if wanted.userinfo_signed_response_alg is not None:
        token = signed_answers.write(
            client,
            claims,
            alg=wanted.userinfo_signed_response_alg,
            encryption_alg=wanted.userinfo_encrypted_response_alg,
            encryption_enc=wanted.userinfo_encrypted_response_enc,
            typ=TYP,
            settings=telling.settings,
            now=telling.now,
        )
    elif wanted.userinfo_encrypted_response_alg is not None:
        token = signed_answers.encrypt_claims(
            client,
            claims,
            encryption_alg=wanted.userinfo_encrypted_response_alg,
            encryption_enc=wanted.userinfo_encrypted_response_enc,
            typ=TYP,
        )
    else:
        return Answer(compact_json.write(claims), headers=DOCUMENT)
    return Answer(token.encode(), headers=SIGNED)
