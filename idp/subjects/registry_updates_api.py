"""For registries: tell of changes, many at once. Each line is a transaction of its own, so that a bad one never loses a good one."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import current_app, g, request
from marshmallow import ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from idp.oauth.callers import bearer
from idp.subjects import registry_updates
from idp.subjects.registry_updates import Sender
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import InvalidBody, Refusal, faults
from runtime.rough_input import read_body, read_json
from runtime.settings import Settings
from schemas.registry_updates import RegistryUpdateResultsSchema, RegistryUpdateSchema

MOST_LINES = 500
NDJSON = ("application/x-ndjson", "application/ndjson")
SCOPE = "registry:updates"
CONTENT = {"schema": {"type": "array", "items": RegistryUpdateSchema, "maxItems": MOST_LINES}}
LINES = {"schema": {"type": "string", "description": "One such object a line."}}
registry_updates_api = ApiBlueprint("registry-updates", __name__, description="What registries tell of their own accord.")
csrf.exempt(registry_updates_api)
SCHEMA = RegistryUpdateSchema()


class TooManyLines(Refusal):
    """More lines than one request may have."""

    code, status = "too-many-lines", 413
    title = Text("一次最多提交{0}条变更。", "At most {0} changes at once.").format(MOST_LINES)


class LineUnreadable(Refusal):
    """The line is not a JSON object."""

    code, status, title = "line-unreadable", 400, Text("该行不是JSON对象。", "The line is not a JSON object.")


@registry_updates_api.route("/registry-updates", methods=["POST"])
@allow(bearer(SCOPE))
@registry_updates_api.response(200, RegistryUpdateResultsSchema())
@registry_updates_api.doc(
    security=[{"department": [SCOPE]}], requestBody={"required": True, "content": {"application/json": CONTENT, NDJSON[0]: LINES}}
)
def tell() -> dict[str, Any]:
    """Tell of changes: names, numbers, deaths, dissolutions, representatives. Sent again, a line takes effect once."""
    moment = now()
    lines = _lines()
    if len(lines) > MOST_LINES:
        raise TooManyLines(field="")
    return {"results": [_result(line, moment) for line in lines]}


def _lines() -> list[Callable[[], Any]]:
    """Return the lines of the request, each still to be read, so that one that cannot be is its own failure alone."""
    body = request.get_data()
    if request.mimetype in NDJSON:
        return [lambda line=line: read_json(line) for line in body.splitlines() if line.strip()]  # type: ignore[misc]
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    document = read_body(body, is_json=True)
    if not isinstance(document, list):
        raise InvalidBody("not a list", shown=Text("应为变更的列表。", "It must be a list of changes."))
    return [lambda line=line: line for line in document]  # type: ignore[misc]


def _result(read: Callable[[], Any], moment: datetime) -> dict[str, Any]:
    document: Any = None
    try:
        document = read()
        if not isinstance(document, dict):
            raise LineUnreadable("not an object")
        outcome, repeated = _take(document, moment)
    except (ValueError, RecursionError):
        return _refused(document, LineUnreadable("not JSON"))
    except ValidationError as error:
        errors = faults(error.messages, most=5)
        return _refused(document, InvalidBody("", field=errors[0]["field"], errors=errors))
    except Refusal as refusal:
        return _refused(document, refusal)
    return {"id": document["id"], "result": outcome, "repeated": repeated}


def _take(document: dict[str, Any], moment: datetime) -> tuple[str, bool]:
    settings: Settings = current_app.extensions["kabao_settings"]
    update = registry_updates.read(SCHEMA.load(document))
    pepper = settings.derived_key("registry updates")
    content = json.dumps(document, sort_keys=True).encode()
    id_hash, digest = (hmac.digest(pepper, text, hashlib.sha256) for text in (document["id"].encode(), content))
    with transaction() as session:
        sender = Sender(g.token.client_id, g.token.department, id_hash, digest)
        return registry_updates.tell(session, update, sender=sender, now=moment)


def _refused(document: Any, refusal: Refusal) -> dict[str, Any]:
    """Return the result of a line that was refused; its id is given back as it was sent, if it was one."""
    said = {"code": refusal.code, "title": str(refusal.title), "field": refusal.field, **refusal.more}
    if refusal.shown is not None:
        said["detail"] = str(refusal.shown)
    update_id = document.get("id") if isinstance(document, dict) else None
    problem = {name: value for name, value in said.items() if value is not None}
    return {"id": update_id if isinstance(update_id, str) else None, "result": "refused", "problem": problem}
