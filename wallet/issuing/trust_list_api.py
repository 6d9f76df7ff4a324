"""The trust list at its public address, for anyone and every origin."""

from datetime import UTC, datetime

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from runtime.guard import allow, anyone
from wallet.issuing import trust_list
from wallet.issuing.trust_list import MEDIA_TYPE, PATH

MAX_AGE = 300
trust_list_pages = Blueprint("trust_list", __name__)


@trust_list_pages.get(PATH)
@allow(anyone)
def newest() -> Response:
    """Give the newest list, as it was signed."""
    found = trust_list.published()
    if found is None:
        raise NotFound
    response = Response(found.token, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.last_modified = datetime.fromtimestamp(int(found.made_at.timestamp()), UTC)
    response.set_etag(found.etag)
    response.make_conditional(request)
    return response
