"""What an officer fills in at the desk: what is shown, as text or as a file, or what stands on paper, and why it is looked at."""

from typing import Any

from flask import request
from wtforms import Field, FileField, HiddenField, StringField
from wtforms.validators import ValidationError as FormFault

from runtime.forms import PostedForm
from runtime.ids import new_id
from runtime.languages import Text
from schemas.causes import is_readable
from wallet.issuing import sd_jwt
from wallet.verifying import brought
from wallet.verifying.asked import open_file, request_of_shown
from wallet.verifying.cause_fields import cause_given
from wallet.verifying.files import MOST_BYTES, Found
from wallet.verifying.named import Named
from wallet.verifying.verification import VerificationRequest

MOST_FORM = MOST_BYTES + 256 * 1024

LONGEST_IDENTIFIER, LONGEST_NUMBER = 128, 64
NOTHING = Text(
    "请扫描、粘贴或输入持证人出示的内容，或选择图片，或填写证照标识。",
    "Scan, paste or type what the holder shows, choose a picture, or give a licence identifier.",
)
UNREADABLE = Text("内容过长或含有无法识别的字符。", "It is too long, or holds characters that cannot be read.")


class DeskForm(PostedForm):
    """What is shown, and why it is looked at. `request_id` makes a form sent twice one verification.

    The first field takes a line, so that the key which ends a scanner's input sends the form.
    """

    presented = StringField(Text("持证人出示的内容", "What the holder shows"))
    file = FileField(Text("图片或PDF", "A picture or PDF"))
    identifier = StringField(Text("证照标识", "Licence identifier"))
    number = StringField(Text("证照编号或持证人号码", "Its own number, or its holder's"))
    cause = StringField(Text("核验事由", "Why you look at it"), [cause_given("请填写核验事由，持证人会看到。")])
    request_id = HiddenField()

    def validate_presented(self, field: Any) -> None:
        """Ask for something, of bounded length, or for a file or a name in its place."""
        given = sum((self.brings_file, self.names, bool((field.data or "").strip())))
        if not given and not self.number.data:
            raise FormFault(NOTHING)
        if given > 1:
            raise FormFault(Text("请只留下一样：输入的内容、图片，或证照标识。", "Leave just one: what is typed, the picture, or the identifier."))
        if len(field.data or "") > sd_jwt.MAX_TEXT or not is_readable((field.data or "").replace("\r", "").replace("\n", "")):
            raise FormFault(UNREADABLE)

    def validate_identifier(self, field: Any) -> None:
        """Ask for the identifier that goes with a number, of bounded length."""
        if self.number.data and not self.names:
            raise FormFault(Text("请填写证照标识。", "Give the licence identifier."))
        if len(field.data or "") > LONGEST_IDENTIFIER or not is_readable(field.data or ""):
            raise FormFault(UNREADABLE)

    def validate_number(self, field: Any) -> None:
        """Ask for the number that goes with an identifier: who has only seen the one is told nothing."""
        if self.names and not (field.data or "").strip():
            raise FormFault(Text("请填写证照编号或持证人号码。", "Give the licence's own number, or its holder's."))
        if len(field.data or "") > LONGEST_NUMBER or not is_readable(field.data or ""):
            raise FormFault(UNREADABLE)

    @property
    def names(self) -> bool:
        """Whether a licence is named."""
        return bool((self.identifier.data or "").strip())

    @property
    def brings_file(self) -> bool:
        """Whether a file came."""
        sent = request.files.get("file")
        return sent is not None and bool(sent.filename)

    @property
    def where(self) -> Field:
        """The field of what was brought."""
        return self.file if self.brings_file else self.identifier if self.names else self.presented

    def asked(self) -> VerificationRequest:
        """Return what is to be verified; raises FileRefused, TooManyRequests for a file."""
        cause = {"text": self.cause.data.strip()}
        if self.names:
            named = Named("".join(self.identifier.data.split()), self.number.data.strip())
            return VerificationRequest("", cause, binding=False, named=named)
        found = open_file(request.files["file"].read()) if self.brings_file else Found(brought.tidy(self.presented.data))
        return request_of_shown(found, cause)


def blank_form(*, cause: str = "") -> DeskForm:
    """Return a form to be filled in, for the next holder with the same cause."""
    form = DeskForm()
    form.request_id.data = str(new_id())
    form.cause.data = form.cause.data or cause
    return form
