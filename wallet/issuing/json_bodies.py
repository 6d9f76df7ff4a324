"""JSON bodies from departments' systems, whatever they hold: one that Python refuses to read is malformed, not our failure."""

from typing import Any

import flask
from webargs.flaskparser import FlaskParser


class JsonBodies(FlaskParser):
    """The parser of arguments, to which a number of five thousand digits or a list a thousand deep is malformed JSON as well."""

    def load_json(self, req: flask.Request, schema: Any) -> Any:
        """Return the body; answers 400 for whatever cannot be read."""
        try:
            return super().load_json(req, schema)
        except (ValueError, RecursionError):
            flask.abort(400)


json_bodies = JsonBodies()
