"""The page on which anyone who was shown a code, a picture or a document may ask whether it is genuine: genuine or not, the type, the issuer, the
state now, and nothing else. A dynamic code is not spent by it: the counter that it was made for can still take it. Nothing is recorded.
"""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, make_response, render_template, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from wtforms import FileField, TextAreaField

from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow, anyone
from runtime.languages import Text, text_of
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.causes import is_readable
from wallet.issuing import copy_marks, sd_jwt
from wallet.issuing.copy_marks import Marking
from wallet.register.licences import LicenceState
from wallet.verifying import brought
from wallet.verifying.asked import open_strangers_file, request_of_shown
from wallet.verifying.conclusions import CANNOT_TELL, Conclusion
from wallet.verifying.files import Found
from wallet.verifying.verification import find

DOOR = "public check"
NOTHING = Text("请粘贴二维码内容，或选择图片、PDF。", "Paste the code, or choose a picture or PDF.")
TOO_LONG = Text("内容过长或含有无法识别的字符。", "It is too long, or holds characters that cannot be read.")
WORDS = {
    Conclusion.VALID: Text("属实，现行有效", "Genuine and in force"),
    Conclusion.FALSE: Text("不属实", "Not genuine"),
    Conclusion.EXPIRED: Text("已过期", "Expired"),
    Conclusion.SUSPENDED: Text("已暂扣", "Suspended"),
    Conclusion.REVOKED: Text("已终止", "It is over"),
    Conclusion.NOT_YET_VALID: Text("尚未生效", "Not valid yet"),
    Conclusion.NOT_IN_FORCE: Text("不再有效", "No longer in force"),
    Conclusion.UNTRUSTED_ISSUER: Text("签发部门不受信任", "The issuer is not trusted"),
    Conclusion.NOT_SHOWN_BY_HOLDER: Text("出示给他人的内容，只有对方能核验", "It was shown to somebody else, who alone can check it"),
    Conclusion.OTHER_TYPE: Text("不是证照", "Not a licence"),
    Conclusion.UNREADABLE: Text("不是可识别的证照", "Not a licence that can be read"),
    Conclusion.UNKNOWN: Text("无法查明", "It cannot be told"),
    Conclusion.SOURCE_UNAVAILABLE: Text("暂时无法查明，请稍后再试", "It cannot be told now; try again later"),
}
ENDED: dict[tuple[Conclusion, str | None], Text] = {  # where the register knows more
    (Conclusion.REVOKED, LicenceState.ANNULLED): Text("已撤销", "Annulled"),
    (Conclusion.REVOKED, LicenceState.REVOKED): Text("已吊销", "Revoked"),
    (Conclusion.REVOKED, LicenceState.VALID): Text("这一份已作废，证照本身有效", "Taken back; the licence itself holds"),
    (Conclusion.EXPIRED, LicenceState.VALID): Text("这一份已过期，证照本身有效", "Expired; the licence itself holds"),
    (Conclusion.NOT_IN_FORCE, LicenceState.CANCELLED): Text("已注销", "Cancelled"),
    (Conclusion.NOT_IN_FORCE, LicenceState.LAPSED): Text("已失效", "Lapsed"),
    (Conclusion.NOT_IN_FORCE, LicenceState.TRANSFERRED): Text("正转往另一部门", "On its way to another department"),
}
NOT_TOLD_HERE = CANNOT_TELL | {Conclusion.NOT_SHOWN_BY_HOLDER}
check_pages = Blueprint("check_pages", __name__, template_folder="templates")


class CheckForm(PostedForm):
    """What was shown, as text or as a file."""

    shown = TextAreaField(Text("二维码内容", "What the code says"))
    file = FileField(Text("图片或PDF", "A picture or PDF"))


@dataclass(frozen=True, slots=True)
class Told:
    """All that the page says."""

    word: Text
    mark: str
    type: Text | None
    issuer: Text | None
    state: Text | None
    marking: Marking | None = None


@check_pages.route("/check", methods=["GET", "POST"])
@allow(anyone)
def check() -> Response:
    """Ask for a code or a file, and say whether it is genuine."""
    form = CheckForm()
    if not form.is_submitted():
        return _page(form)
    with transaction() as session:
        throttle.count(session, throttle.Try(DOOR, "", request.remote_addr or ""), now=now())
    if not form.validate():
        return _page(form, status=422)
    try:
        return _page(form, told=_told(_found(form)))
    except Refusal as refusal:
        wrong = form.shown if _sent() is None else form.file
        wrong.errors = [refusal.shown or refusal.title]
        return _page(form, status=refusal.status if refusal.status < 500 else 503)


class NothingGiven(Refusal):
    """Neither a text nor a file came, or no text that can be read."""

    code, status, title = "nothing-to-check", 422, NOTHING


class _Undone(Exception):
    """Ends a transaction that must leave nothing behind."""


def _sent() -> FileStorage | None:
    sent = request.files.get("file")
    return sent if sent is not None and sent.filename else None


def _found(form: CheckForm) -> Found:
    if (sent := _sent()) is not None:
        return open_strangers_file(sent.read())
    text = brought.tidy(form.shown.data or "")
    if not text:
        raise NothingGiven(field="shown")
    if len(text) > sd_jwt.MAX_TEXT or not is_readable(text):
        raise NothingGiven(field="shown", shown=TOO_LONG)
    return Found(text)


def _told(found: Found) -> list[Told]:
    """Look at it without attesting anything: what a code stands for is spent in a transaction that is undone. A code may stand for several."""
    settings: Settings = current_app.extensions["kabao_settings"]
    answer: dict[str, Any] = {}
    try:
        with transaction() as session:
            answer = _look(session, settings, found)
            raise _Undone
    except _Undone:
        pass
    return [_told_of(one) for one in (answer, *answer.get("further", ()))]


def _told_of(answer: dict[str, Any]) -> Told:
    conclusion, licence = Conclusion(answer["conclusion"]), answer["licence"]
    mark = "valid" if conclusion is Conclusion.VALID else "unknown" if conclusion in NOT_TOLD_HERE else "invalid"
    if licence is None:
        return Told(WORDS[conclusion], mark, None, None, None)
    named, is_told = licence["issuer"]["name"], "province" not in licence["issuer"]  # another province's list says that one is over, not how
    state = licence["state"] if is_told or licence["state"] != LicenceState.REVOKED else None
    known = LicenceState(state).text if state in set(LicenceState) else None
    word = ENDED.get((conclusion, state), WORDS[conclusion])
    marking = copy_marks.from_json(answer["marked_copy"]) if "marked_copy" in answer else None
    return Told(word, mark, text_of(licence["name"]), text_of(named) if named else None, known, marking)


def _look(session: Session, settings: Settings, found: Found) -> dict[str, Any]:
    return find(session, settings, request_of_shown(found, {"text": ""}), now=now()).answer


def _page(form: CheckForm, *, status: int = 200, **told: Any) -> Response:
    response = make_response(render_template("verifying/check.html", form=form, **told), status)
    response.headers["Cache-Control"] = "no-store"
    return response
