"""The API described by itself: flask-smorest gathers OpenAPI 3.1 from the schemas, and a try-it page shows it at /api/docs."""

from importlib.resources import files
from typing import Any

import flask_smorest
from flask import Blueprint, Flask, Response, render_template, send_from_directory

from runtime import rough_input
from runtime.guard import allow, anyone, declare

docs = Blueprint("api_docs", __name__)
SWAGGER = str(files("flask_openapi3_swagger") / "templates" / "swagger")


class Api(flask_smorest.Api):
    """flask-smorest's Api, which leaves errors to `runtime.problems`."""

    def _register_error_handlers(self) -> None:
        """Register none: `runtime.problems` answers for every error."""


class ApiBlueprint(flask_smorest.Blueprint):
    """A blueprint of JSON views under `/api/v1`; bearer tokens only, no cookies, hence no CSRF token."""

    ARGUMENTS_PARSER = rough_input.JsonParser()

    def __init__(self, name: str, import_name: str, **options: Any) -> None:
        super().__init__(name, import_name, url_prefix="/api/v1", **options)


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
