"""Status lists, for anyone who checks a credential (Token Status List draft -20, sections 8 and 9)."""

import re

from flask import Blueprint, Response, current_app, request

from runtime.clock import now
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.issuing import status_history
from wallet.issuing.status_published import Form, Token, get_aggregation, get_token
from wallet.issuing.status_tokens import JWT_MEDIA_TYPE, TTL

statuses = Blueprint("statuses", __name__)
SECONDS_SINCE_1970 = re.compile(r"[0-9]{1,11}", re.ASCII)


class NotAcceptable(Refusal):
    """The caller accepts no form that the list has."""

    code, status, title = "not-acceptable", 406, Text("不提供所要求的格式。", "None of the forms that you accept is given.")


class BadTime(Refusal):
    """The time is no time."""

    code, status, title = "bad-time", 400, Text("time必须是一个Unix时间戳（整数秒）。", "time must be one Unix timestamp, in whole seconds.")


@statuses.get("/status/<list_id>")
@allow(anyone)
def status_list(list_id: str) -> Response:
    """Give the newest token of a list, or the one that was valid at a `time`; its ETag lets a reader ask again for little."""
    token = get_token(list_id)
    media_type = request.accept_mimetypes.best_match(token.forms) if request.accept_mimetypes else JWT_MEDIA_TYPE
    if media_type is None:
        raise NotAcceptable(shown=Text(f"可提供：{'、'.join(token.forms)}。", f"There are {' and '.join(token.forms)}."), field="Accept")
    if "time" in request.args:
        token = _token_at(token, list_id)
    response = _answer(token.forms[media_type], media_type)
    response.last_modified = token.built_at
    response.headers["Vary"] = "Accept, Accept-Encoding"
    response.make_conditional(request)
    return response


@statuses.get("/status")
@allow(anyone)
def aggregation() -> Response:
    """Name every list, so that a reader can hold them all for a time without a network."""
    response = _answer(get_aggregation(current_app.extensions["kabao_settings"]), "application/json")
    response.make_conditional(request)
    return response


def _token_at(newest: Token, list_id: str) -> Token:
    times = request.args.getlist("time")
    if len(times) != 1 or not SECONDS_SINCE_1970.fullmatch(times[0]):
        raise BadTime(field="time")
    return status_history.get_token_at(newest, list_id, int(times[0]), settings=current_app.extensions["kabao_settings"], now=now())


def _answer(form: Form, media_type: str) -> Response:
    is_gzipped = form.gzipped is not None and request.accept_encodings.quality("gzip") > 0
    response = Response(form.gzipped if is_gzipped else form.body, content_type=media_type)
    if is_gzipped:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(form.etag + ("-gzip" if is_gzipped else ""))
    response.headers["Cache-Control"] = f"public, max-age={int(TTL.total_seconds())}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
