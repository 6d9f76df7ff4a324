"""What an officer fills in at the desk: what is shown, as text or as a file, and why it is looked at."""

from typing import Any

from flask import request
from wtforms import FileField, HiddenField, StringField
from wtforms.validators import ValidationError as FormFault

from runtime.forms import PostedForm
from runtime.ids import new_id
from runtime.languages import Text
from schemas.causes import is_readable
from wallet.issuing import sd_jwt
from wallet.verifying import brought
from wallet.verifying.asked import open_file
from wallet.verifying.cause_fields import cause_given
from wallet.verifying.files import MOST_BYTES, Found

MOST_FORM = MOST_BYTES + 256 * 1024

NOTHING = Text("请扫描、粘贴或输入持证人出示的内容，或选择图片。", "Scan, paste or type what the holder shows, or choose a picture.")


class DeskForm(PostedForm):
    """What is shown, and why it is looked at. `request_id` makes a form sent twice one verification.

    The first field takes a line, so that the key which ends a scanner's input sends the form.
    """

    presented = StringField(Text("持证人出示的内容", "What the holder shows"))
    file = FileField(Text("图片或PDF", "A picture or PDF"))
    cause = StringField(Text("核验事由", "Why you look at it"), [cause_given("请填写核验事由，持证人会看到。")])
    request_id = HiddenField()

    def validate_presented(self, field: Any) -> None:
        """Ask for something, of bounded length, or for a file in its place."""
        is_file, is_text = self.brings_file, bool((field.data or "").strip())
        if not is_file and not is_text:
            raise FormFault(NOTHING)
        if is_file and is_text:
            raise FormFault(Text("请只留下一样：输入的内容，或图片。", "Leave just one: what is typed, or the picture."))
        if len(field.data or "") > sd_jwt.MAX_TEXT or not is_readable((field.data or "").replace("\r", "").replace("\n", "")):
            raise FormFault(Text("内容过长或含有无法识别的字符。", "It is too long, or holds characters that cannot be read."))

    @property
    def brings_file(self) -> bool:
        """Whether a file came."""
        sent = request.files.get("file")
        return sent is not None and bool(sent.filename)

    def found(self) -> Found:
        """Return what was brought; raises FileRefused, TooManyRequests for a file."""
        if self.brings_file:
            return open_file(request.files["file"].read())
        return Found(brought.tidy(self.presented.data))


def blank_form(*, cause: str = "") -> DeskForm:
    """Return a form to be filled in, for the next holder with the same cause."""
    form = DeskForm()
    form.request_id.data = str(new_id())
    form.cause.data = form.cause.data or cause
    return form
