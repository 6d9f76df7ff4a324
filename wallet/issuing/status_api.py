"""Status lists, for anyone who checks a credential (Token Status List draft -20, section 8)."""

import hashlib

from flask import Blueprint, Response, request

from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.issuing.status_lists import MEDIA_TYPE, TTL, get_token

statuses = Blueprint("statuses", __name__)


class NotAcceptable(Refusal):
    """The caller accepts no form that the list has."""

    code, status, title = "not-acceptable", 406, Text("只提供application/statuslist+jwt。", "Only application/statuslist+jwt is given.")


class NoHistory(Refusal):
    """The caller asks for the list as it once was."""

    code, status, title = "no-history", 501, Text("不提供过去时间的状态列表。", "Status lists of the past are not given.")


@statuses.get("/status/<list_id>")
@allow(anyone)
def status_list(list_id: str) -> Response:
    """Give the newest token of a list; its ETag lets a reader ask again for little."""
    token = get_token(list_id)
    if request.accept_mimetypes and not request.accept_mimetypes[MEDIA_TYPE]:
        raise NotAcceptable
    if "time" in request.args:
        raise NoHistory
    response = Response(token.signed, content_type=MEDIA_TYPE)
    response.set_etag(hashlib.sha256(token.signed.encode()).hexdigest()[:32])
    response.last_modified = token.built_at
    response.headers["Cache-Control"] = f"public, max-age={int(TTL.total_seconds())}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers.add("Vary", "Accept")
    response.make_conditional(request)
    return response
