"""Saying what one thinks of a use (好差评), in two taps from the history; the department reads and answers it; the operator sees figures."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse
from wtforms import TextAreaField
from wtforms.validators import ValidationError

from idp.signin.callers import matched
from idp.signin.operators import operator
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import InvalidBody
from schemas.causes import is_readable
from wallet.holding import ratings
from wallet.holding.cards import issuer_name
from wallet.holding.ratings import LONGEST, SCORES, AlreadyAnswered, AlreadyRated, RatingOver
from wallet.holding.uses import receipts_beyond
from wallet.register.callers import officer
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.departments import get_department

rating_pages = Blueprint("rating_pages", __name__, template_folder="templates")
TOO_LONG = Text(f"最多{LONGEST}字，不能含控制字符。", f"At most {LONGEST} characters, and none that cannot be read.")


class RatingForm(PostedForm):
    """A few words besides the score, which is the button that was pressed."""

    words = TextAreaField(Text("还想说几句（可不填）", "A few words (may be left empty)"))

    def validate_words(self, field: Any) -> None:
        """Take what fits and can be read."""
        _check_words(field.data or "")


class AnswerForm(PostedForm):
    """What a department answers."""

    answer = TextAreaField(Text("答复", "Answer"))

    def validate_answer(self, field: Any) -> None:
        """Ask for an answer that fits and can be read."""
        if not (field.data or "").strip():
            raise ValidationError(Text("请填写答复，评价人会看到。", "Write an answer; whoever complained will read it."))
        _check_words(field.data)


@rating_pages.route("/wallet/history/<uuid:use_id>/rating", methods=["GET"])
@allow(matched)
def blank(use_id: UUID) -> Response:
    """Ask what one thinks of a use, or show what was said and answered."""
    return _rating_page(use_id, RatingForm())


@rating_pages.route("/wallet/history/receipts/<uuid:receipt_id>", methods=["GET"])
@allow(matched)
def of_receipt(receipt_id: UUID) -> AnyResponse:
    """Lead from a notice to the use that it tells of, to look at and to rate; to the history where that is in another wallet."""
    with transaction() as session:
        use_id = ratings.find_by_receipt(session, receipt_id, g.signed_in)
    return redirect(f"/wallet/history/{use_id}/rating" if use_id else "/wallet/history", 303)


@rating_pages.route("/wallet/history/<uuid:use_id>/rating", methods=["POST"])
@allow(matched)
def rate(use_id: UUID) -> AnyResponse:
    """Write down what is said, once: whoever presses twice is led where the first press led; whoever says something else reads that it is late."""
    form, moment = RatingForm(), now()
    score = request.form.get("score", "")
    if score not in {str(one) for one in SCORES}:
        raise InvalidBody("no score", field="score")
    if not form.validate():
        return _rating_page(use_id, form, status=422)
    words = (form.words.data or "").strip()
    try:
        with transaction() as session:
            use = ratings.get_use(session, use_id, g.signed_in)
            ratings.rate(session, use, score=int(score), words=words, person_id=g.signed_in.subject_id, now=moment)
    except (AlreadyRated, RatingOver) as refusal:
        with transaction() as session:
            said = ratings.find_rating(session, ratings.get_use(session, use_id, g.signed_in))
        if said is None or (said.score, said.words) != (int(score), words):
            return _rating_page(use_id, form, status=refusal.status, late=refusal.title)
        return redirect(f"/wallet/history/{use_id}/rating", 303)
    flash(str(Text("谢谢，您的评价已记下。", "Thank you; it is written down.")), "success")
    return redirect(f"/wallet/history/{use_id}/rating", 303)


@rating_pages.route("/desk/ratings", methods=["GET"])
@allow(officer)
def desk() -> Response:
    """Show an officer what people say of the department's uses, and the complaints."""
    return _desk_page(AnswerForm())


@rating_pages.route("/desk/ratings/<uuid:reference>", methods=["POST"])
@allow(officer)
def answer(reference: UUID) -> AnyResponse:
    """Answer a complaint."""
    form = AnswerForm()
    if not form.validate():
        return _desk_page(form, answering=reference, status=422)
    words, officer_id = form.answer.data.strip(), g.signed_in.subject_id
    try:
        with transaction() as session:
            ratings.answer(session, reference, department=g.officer_of, officer_id=officer_id, words=words, now=now())
    except AlreadyAnswered as refusal:
        return _desk_page(form, status=refusal.status, late=refusal.title)
    flash(str(Text("已答复，并已通知评价人。", "Answered, and told whoever complained.")), "success")
    return redirect("/desk/ratings", 303)


@rating_pages.route("/admin/ratings", methods=["GET"])
@allow(operator)
def overview() -> str:
    """Show the operator how each department is rated, and what waits for an answer; no words."""
    with transaction() as session:
        rows = ratings.overview(session, now=now())
    return render_template("holding/ratings_overview.html", rows=[(issuer_name(one.department), one) for one in rows], scores=SCORES)


def _rating_page(use_id: UUID, form: RatingForm, *, status: int = 200, late: Text | None = None) -> Response:
    with transaction() as session:
        use = ratings.get_use(session, use_id, g.signed_in)
        receipt = {use.receipt_id} if use.receipt_id else set()
        if g.signed_in.types is not None:
            receipt -= receipts_beyond(session, receipt, holder_id=use.holder_id, types=g.signed_in.types)
        codes = [ratings.type_of_use(session, one) for one in ratings.uses_together(session, use, g.signed_in)]
        rating, names = ratings.find_rating(session, use), [_type_name(code) for code in dict.fromkeys(codes)]
    is_over = use.at < now() - ratings.RATED_WITHIN
    told = {
        "use": use,
        "department": issuer_name(use.department),
        "licence": Text("、".join(one.zh for one in names), ", ".join(one.en for one in names)),
        "is_several": len(codes) > 1,
        "rating": rating,
        "is_over": is_over,
        "has_receipt": bool(receipt),
        "late": late,
    }
    return make_response(render_template("holding/rating.html", form=form, scores=SCORES, longest=LONGEST, **told), status)


def _desk_page(form: AnswerForm, *, answering: UUID | None = None, status: int = 200, late: Text | None = None) -> Response:
    with transaction() as session:
        by_type = ratings.figures_of(session, g.officer_of, now=now())
        complaints = [(one, _type_name(one.type_code)) for one in ratings.complaints_of(session, g.officer_of)]
    page = render_template(
        "holding/ratings_desk.html",
        form=form,
        answering=answering,
        late=late,
        total=ratings.total_of(by_type.values()),
        types=[(_type_name(code), figures) for code, figures in sorted(by_type.items())],
        complaints=complaints,
        scores=SCORES,
        longest=LONGEST,
        department=get_department(g.officer_of).name,
    )
    return make_response(page, status)


def _type_name(code: str) -> Text:
    try:
        return get_type(code).name if code else Text("是否答复或申请中的证照", "A yes or no, or a licence applied for")
    except LicenceTypeNotFound:
        return Text("证照", "Licence")


def _check_words(words: str) -> None:
    if len(words.strip()) > LONGEST or not is_readable(words.replace("\r", "").replace("\n", "")):
        raise ValidationError(TOO_LONG)
