"""Reading what a camera at the desk sees, for browsers that cannot read a code themselves. Nothing is verified or kept here."""

from typing import Any

from flask import Blueprint, make_response, request
from flask.wrappers import Response

from runtime.guard import allow
from runtime.languages import Text
from runtime.pages import csrf
from runtime.problems import Refusal
from runtime.rough_input import reads_its_form, take_form
from wallet.register.callers import officer
from wallet.verifying.asked import open_frame
from wallet.verifying.files import MOST_FRAME

desk_camera = Blueprint("desk_camera", __name__)
MOST_FORM = MOST_FRAME + 16 * 1024


class FrameMissing(Refusal):
    """No picture came."""

    code, status, title = "frame-missing", 422, Text("没有收到图像。", "No picture came.")


@desk_camera.route("/desk/frames", methods=["POST"])
@csrf.exempt
@reads_its_form
@allow(officer)
def read() -> Response:
    """Tell the text of the one code in a picture, or null."""
    take_form(MOST_FORM)
    csrf.protect()
    frame = request.files.get("frame")
    if frame is None:
        raise FrameMissing(field="frame")
    told: dict[str, Any] = {"text": open_frame(frame.read())}
    response = make_response(told)
    response.headers["Cache-Control"] = "no-store"
    return response
