"""Errors of the OAuth endpoints, whatever happens beneath, in the words of RFC 6749: JSON, never kept."""

import re

import structlog
from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from idp.oauth.server import NO_STORE, refuse, server
from runtime.clashes import is_away, is_clash, what_failed
from runtime.problems import Refusal, unexpected

log = structlog.get_logger(__name__)
CHALLENGED = re.compile(r'error="([a-z_]+)"')


def _oauth(error: OAuth2Error) -> Response:
    return server.handle_error_response(None, error).as_response()


def _refusal(error: Refusal) -> Response:
    """Say the same in the body as in the challenge, if there is one: where that names no error, since no token was shown, nothing.

    RFC 6750 section 3.1.
    """
    log.info("refused", code=error.code, reason=error.reason)
    challenge = error.headers.get("WWW-Authenticate")
    challenged = CHALLENGED.search(challenge or "")
    if challenge is not None and challenged is None:
        response = Response(status=error.status, headers=NO_STORE)
        del response.headers["Content-Type"]
    else:
        usual = "server_error" if error.status >= 500 else "invalid_request"
        response = refuse(challenged[1] if challenged else usual, description=error.title.en, status=error.status).as_response()
    response.headers.update(error.headers)
    return response


def _http(error: HTTPException) -> Response:
    return refuse("invalid_request", description=error.name, status=error.code or 400).as_response()


def _database(error: DBAPIError | PoolTimeout) -> Response:
    if isinstance(error, DBAPIError) and not is_away(error) and not is_clash(error):
        return unexpected(error)
    log.error("database unavailable", error=what_failed(error))
    response = refuse("temporarily_unavailable", description="The service is briefly unavailable.", status=503).as_response()
    response.headers["Retry-After"] = "2"
    return response


def init_blueprint(blueprint: Blueprint) -> None:
    """Let the views of a blueprint answer as RFC 6749 wants; what is unforeseen stays with `runtime.problems`."""
    blueprint.register_error_handler(OAuth2Error, _oauth)
    blueprint.register_error_handler(Refusal, _refusal)
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(DBAPIError, _database)
    blueprint.register_error_handler(PoolTimeout, _database)
