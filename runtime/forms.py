"""Forms as browsers post them: texts, whatever else Flask-WTF would take."""

from flask import request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import Form


class PostedForm(FlaskForm):
    """A form filled from what a browser posts alone: texts, never the JSON or the files that Flask-WTF would take too."""

    class Meta(FlaskForm.Meta):
        """How the form is filled."""

        def wrap_formdata(self, form: Form, formdata: object) -> MultiDict[str, str] | None:
            """Return the posted texts, or None for a page that is only asked for."""
            return request.form if request.method == "POST" else None
