"""The API described by itself: flask-smorest gathers OpenAPI 3.1 from the schemas, and a try-it page shows it at /api/docs."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from threading import Lock
from typing import Any

import flask_smorest
from flask import Blueprint, Flask, Response, render_template, send_from_directory
from marshmallow import INCLUDE, Schema, fields

from runtime import rough_input
from runtime.guard import allow, anyone, declare

docs = Blueprint("api_docs", __name__)
SWAGGER = str(files("flask_openapi3_swagger") / "templates" / "swagger")


PROBLEM = "application/problem+json"
FILE = {"type": "string", "format": "binary"}  # what is given as it is


class FaultSchema(Schema):
    """One member of a request that is wrong."""

    field = fields.String(required=True, metadata={"description": "Its path.", "example": "holder.number"})
    detail = fields.String(required=True, metadata={"description": "What is wrong with it, in the caller's language.", "example": "必填。"})


class ProblemSchema(Schema):
    """An error as `runtime.problems` writes it (RFC 9457); some kinds say more."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(required=True, metadata={"description": "A stable name.", "example": "urn:kabao:problem:invalid-request"})
    title = fields.String(required=True, metadata={"description": "What it is, in the caller's language.", "example": "请求内容有误。"})
    status = fields.Integer(required=True, metadata={"description": "The HTTP status.", "example": 422})
    code = fields.String(required=True, metadata={"description": "The end of `type`, for programs.", "example": "invalid-request"})
    correlation_id = fields.String(
        required=True, metadata={"description": "To be quoted to the operator.", "example": "01a2057a-511d-776d-9e4b-b6b9cb64c822"}
    )
    detail = fields.String(metadata={"description": "A further sentence.", "example": "起始日期过早，或晚于今天一年以上。"})
    field = fields.String(metadata={"description": "The member at fault, by its path.", "example": "holder.number"})
    errors = fields.List(fields.Nested(FaultSchema), metadata={"description": "Every member at fault, where there are several."})


class Api(flask_smorest.Api):
    """flask-smorest's Api, which leaves errors to `runtime.problems` and describes them as they are.

    The views are described when somebody asks for the document first, which most processes never see.
    """

    def __init__(self, app: Flask) -> None:
        self._undescribed: list[Callable[[], None]] = []
        self._describing = Lock()
        super().__init__(app)

    def describe_later(self, describe: Callable[[], None]) -> None:
        """Take note of what is still to be described."""
        self._undescribed.append(describe)

    def _openapi_json(self) -> Response:
        with self._describing:
            while self._undescribed:
                self._undescribed.pop(0)()
        return super()._openapi_json()

    def _register_error_handlers(self) -> None:
        """Register none: `runtime.problems` answers for every error."""

    def _register_responses(self) -> None:
        self.describe_later(self._describe_problems)

    def _describe_problems(self) -> None:
        content = {PROBLEM: {"schema": ProblemSchema}}
        for status in HTTPStatus:
            self.spec.components.response(status.name, {"description": status.phrase, "content": content}, lazy=True)
        self.spec.components.response("DEFAULT_ERROR", {"description": "A problem", "content": content}, lazy=True)


class ApiBlueprint(flask_smorest.Blueprint):
    """A blueprint of JSON views under `/api/v1`; bearer tokens only, no cookies, hence no CSRF token."""

    ARGUMENTS_PARSER = rough_input.JsonParser()

    def __init__(self, name: str, import_name: str, **options: Any) -> None:
        super().__init__(name, import_name, url_prefix="/api/v1", **options)

    def register_views_in_doc(self, api: Api, *joined: Any, **options: Any) -> None:
        """Let the views be described when the document is asked for."""
        api.describe_later(partial(super().register_views_in_doc, api, *joined, **options))


@docs.get("/api/docs")
@allow(anyone)
def page() -> str:
    """Show the try-it page."""
    return render_template("api_docs.html")


@docs.get("/api/docs/assets/<path:name>")
@allow(anyone)
def asset(name: str) -> Response:
    """Serve the try-it page's own files."""
    return send_from_directory(SWAGGER, name, max_age=86400)


def init_app(app: Flask) -> Api:
    """Set the API up and return it, for blueprints to be registered with."""
    app.config.update(
        API_TITLE="Kabao",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = Api(app)
    declare(app, "api-docs.openapi_json", anyone)
    app.register_blueprint(docs)
    api.spec.components.security_scheme("department", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    return api
