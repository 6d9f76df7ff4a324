"""Answering a request: open its link, see who asks for what and why, then approve, trim or refuse; once.

The link is opened by POST, since opening spends it at the verifier's; an address that carries one only fills the form. Whoever acts for another
answers for them, with what the mandate lets them show.
"""

import re
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

import structlog
from flask import Blueprint, current_app, g, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from idp.signin import throttle
from idp.signin.callers import matched
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.outbound import NoAnswer
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.holding import cards
from wallet.holding.cards import Card
from wallet.issuing import w3c_types
from wallet.issuing.contents import type_uri
from wallet.presenting.answering import asked as kept
from wallet.presenting.answering import doors, held, offering, readable, replying, request_objects, sought, told, verifiers, waiting
from wallet.presenting.answering.asked import Asked, Outcome
from wallet.presenting.answering.links import NotARequest, read_link
from wallet.presenting.answering.offering import Fit, Offer, Wanted
from wallet.presenting.answering.refusals import RequestRefused
from wallet.presenting.answering.request_objects import Expected, RequestObject
from wallet.presenting.dcql import CredentialQuery
from wallet.presenting.statements import TYPE_PREFIX, Statement, find_question
from wallet.register.catalogue import all_types
from wallet.register.definitions import LicenceType

log = structlog.get_logger(__name__)
answer_pages = Blueprint("answer_pages", __name__, template_folder="templates")
DOOR = "request object"
LOOK_AGAIN_SECONDS = 2
LICENCE = Text("证照", "A licence")
YES, NO = Text("是", "Yes"), Text("否", "No")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_LOOKED_UP = Text(
    "卡包里没有这个编号的、可以在此出示的证照。请核对后填写完整编号。",
    "No licence of that number can be shown here. Check it, and give it in full.",
)
NO_CAUSE = Text("对方没有说明事由", "They gave no cause")


class NotUnderstood(Refusal):
    """The warning about a stranger was not ticked."""

    code, status, title = "not-understood", 422, Text("请先确认您认识对方，再同意。", "Confirm first that you know who is asking.")


@dataclass(frozen=True, slots=True)
class Choice:
    """A licence or an answer that fits, with its fields in words; `extra` are those that may be left out, each with whether it is ticked, `unasked`
    those that go along though nobody asked for them."""

    key: str
    card: Card | None
    says: Text | None
    needed: tuple[Text, ...]
    extra: tuple[tuple[str, Text, bool], ...]
    is_whole: bool = False
    unasked: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked for, and what of the wallet fits; it `has_more` if there are further licences of its types, not looked at."""

    wanted: Wanted
    name: Text
    choices: tuple[Choice, ...]
    is_answer: bool
    has_more: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether the wallet has nothing for it; the same licence, asked for in several forms, is then missed once."""
        return not self.choices and not self.has_more


@answer_pages.route("/wallet/requests", methods=["GET"])
@allow(matched)
def start() -> str:
    """Ask for a request's link, and show what waits."""
    return _start_page("openid4vp://?" + request.query_string.decode("ascii", "ignore") if "client_id" in request.args else "")


@answer_pages.route("/wallet/requests", methods=["POST"])
@allow(matched)
def open_link() -> AnyResponse | tuple[str, int]:
    """Fetch the request that a link leads to, verify it, and show it; a verifier whose request is faulty is told so."""
    settings, moment, unverified = _settings(), now(), request.form.get("link", "")
    with transaction() as session:
        throttle.count(session, throttle.Try(DOOR, "", request.remote_addr or ""), now=moment)
    try:
        link = read_link(unverified)
    except NotARequest as refused:
        return _start_page(unverified[:200], fault=refused.shown or refused.title), refused.status
    fetched = doors.fetch(link, settings)
    expected = Expected(link.client_id, settings.public_url, moment, fetched.wallet_nonce, plain_http=settings.development)
    try:
        found = request_objects.read(fetched.text, expected=expected)
    except RequestRefused as refused:
        _tell(refused, settings)
        raise
    verifiers.verifier_of(found, settings, now=moment)
    with transaction() as session:
        request_id = kept.open_request(session, fetched.text, found, viewer=g.signed_in, now=moment)
    return redirect(f"/wallet/requests/{request_id}", 303)


@answer_pages.route("/wallet/requests/<uuid:request_id>", methods=["GET"])
@allow(matched)
def show(request_id: UUID) -> AnyResponse:
    """Show who asks for what and why, and what fits; afterwards, what became of it. While it is just being sent, the page looks again by itself."""
    moment = now()
    with transaction() as session:
        asked = kept.get_asked(session, request_id, viewer=g.signed_in)
        response = make_response(_question_page(session, asked, now=moment))
    if asked.is_on_its_way(moment):
        response.headers["Refresh"] = str(LOOK_AGAIN_SECONDS)
    return response


@answer_pages.route("/wallet/requests/<uuid:request_id>", methods=["POST"])
@allow(matched)
def answer(request_id: UUID) -> AnyResponse | tuple[str, int]:
    """Approve what was chosen, or refuse; then send it, once. Or look for another licence to choose, which answers nothing.

    Whoever presses a button twice is led where the first press led, and nothing more is sent; whoever presses another, in a second window or too
    late, reads what became of the request.
    """
    settings, moment = _settings(), now()
    if request.form.get("answer") == "look":
        return _looked_page(request_id, now=moment)
    is_approved = request.form.get("answer") == "approve"
    try:
        return _take(request_id, settings, is_approved=is_approved, now=moment)
    except kept.RequestOver as over:
        with transaction() as session:
            asked = kept.get_asked(session, request_id, viewer=g.signed_in)
            if not asked.is_answered_so(is_approved=is_approved):
                return _question_page(session, asked, now=moment, fault=over.title), over.status
        return redirect(f"/wallet/requests/{request_id}", 303)


def _take(request_id: UUID, settings: Settings, *, is_approved: bool, now: datetime) -> AnyResponse | tuple[str, int]:
    """Take the answer and send it; raises RequestOver."""
    with transaction() as session:
        asked = kept.get_asked(session, request_id, viewer=g.signed_in)
        if not asked.is_open(now):
            raise kept.RequestOver
        verifiers.verifier_of(asked.request, settings, now=now)  # a certificate may have been revoked since it was opened
        try:
            parameters = _approved(session, asked, now=now) if is_approved else replying.refuse(session, asked, viewer=g.signed_in, now=now)
        except (offering.ChoiceRefused, NotUnderstood) as refused:
            return _question_page(session, asked, now=now, fault=refused.title), refused.status
    _send(asked, parameters, settings, is_approved=is_approved)
    return redirect(f"/wallet/requests/{request_id}", 303)


def _looked_page(request_id: UUID, *, now: datetime) -> tuple[str, int]:
    """Show the request with the licences of a number among its choices."""
    unverified = request.form.get("number", "").strip()
    with transaction() as session:
        asked = kept.get_asked(session, request_id, viewer=g.signed_in)
        is_number = 0 < len(unverified) <= sought.LONGEST_NUMBER
        looked = {one.id for one in sought.look_up(session, g.signed_in, [unverified], now=now)} if is_number else set()
        return _question_page(session, asked, now=now, looked=looked), 200 if looked else 404


def _approved(session: Session, asked: Asked, *, now: datetime) -> dict[str, str]:
    if not asked.verifier.is_trusted and "understood" not in request.form:
        raise NotUnderstood(field="understood")
    offer, _ = _offer(session, asked, now=now)
    picks = {one.id: request.form.getlist(f"licence-{one.id}") for one in offer.wanted}
    chosen = offer.choose(
        picks,
        lambda name, licence: request.form.getlist(f"extra-{name}-{licence}"),
        agrees=lambda name, licence: f"whole-{name}-{licence}" in request.form,
    )
    why = told.told_by(asked.request).cause or str(NO_CAUSE)
    return replying.approve(session, _settings(), asked, chosen, viewer=g.signed_in, why=why, now=now)


def _send(asked: Asked, parameters: dict[str, str], settings: Settings, *, is_approved: bool) -> None:
    """Send what was made, and write down how it was taken; of what may have got lost on its way it is said that nobody knows."""
    try:
        delivered = doors.deliver(replying.whom_of(asked.request), parameters, settings)
    except NoAnswer:
        log.warning("an answer to a verifier may not have arrived")
        became, goal = Outcome.UNHEARD if is_approved else Outcome.REFUSED, None
    else:
        became = Outcome.REFUSED if not is_approved else Outcome.TAKEN if delivered.is_taken else Outcome.NOT_TAKEN
        goal = delivered.goal
    with transaction() as session:
        kept.note(session, asked.row, became, goal=goal)


def _tell(refused: RequestRefused, settings: Settings) -> None:
    """Tell a verifier what its own request lacks; whether it hears is its affair."""
    if refused.whom is None:
        return
    try:
        doors.deliver(refused.whom, {"error": refused.error}, settings)
    except NoAnswer:
        log.info("a verifier could not be told of its faulty request")


def _start_page(link: str, *, fault: Text | None = None) -> str:
    moment = now()
    with transaction() as session:
        waits = waiting.waiting_for(session, g.signed_in, now=moment)
        latest = kept.latest_of(session, g.signed_in)
        holder = _holder(session)
    return render_template("presenting/requests.html", link=link, fault=fault, waits=waits, latest=latest, holder=holder, moment=moment)


def _question_page(session: Session, asked: Asked, *, now: datetime, fault: Text | None = None, looked: Set[UUID] | None = None) -> str:
    is_open = asked.is_open(now)
    offer, with_more = _offer(session, asked, now=now, looked=looked or ()) if is_open else (None, frozenset[str]())
    questions = _questions(session, asked.request, offer, with_more, now=now) if offer else []
    offered = {choice.key for one in questions for choice in one.choices}
    return render_template(
        "presenting/request.html",
        asked=asked,
        is_open=is_open,
        is_on_its_way=asked.is_on_its_way(now),
        offer=offer,
        questions=questions,
        shows_licences=any(not one.is_answer for one in questions),
        may_show_whole=any(choice.is_whole for one in questions for choice in one.choices),
        told=told.told_by(asked.request),
        holder=_holder(session),
        fault=fault if looked is None or offered & {str(one) for one in looked} else NOT_LOOKED_UP,
        looked={str(one) for one in looked or ()},
        form=request.form,
    )


def _offer(session: Session, asked: Asked, *, now: datetime, looked: Collection[UUID] = ()) -> tuple[Offer, frozenset[str]]:
    """Return what fits a request, what was picked or looked up among it, and the credential queries of which the wallet has more."""
    query, metadata = asked.request.query, asked.request.payload.get("client_metadata")
    found = held.held_for(session, _settings(), g.signed_in, query, now=now, also=[*looked, *_picked()])
    return offering.offer_of(query, [one for one in found.candidates if readable.is_readable(one.format, metadata)]), found.with_more


def _picked() -> list[UUID]:
    """Return the licences that the form names; one that was looked up is offered again as long as it is picked."""
    values = (value for name in request.form if name.startswith("licence-") for value in request.form.getlist(name))
    return [UUID(value) for value in islice(values, sought.MOST_NAMED) if ID.fullmatch(value)]


def _questions(session: Session, found: RequestObject, offer: Offer, with_more: Set[str], *, now: datetime) -> list[Question]:
    licence_ids = {fit.what for one in offer.wanted for fit in one.fits if isinstance(fit.what, UUID)}
    shown = {card.id: card for card in cards.get_cards(session, licence_ids, g.signed_in, now=now)}
    questions = [_question(found, one, shown, has_more=one.id in with_more) for one in offer.wanted]
    missing = {one.name: one for one in reversed(questions) if one.is_missing}
    return [one for one in questions if not one.is_missing or one is missing[one.name]]


def _question(found: RequestObject, wanted: Wanted, shown: Mapping[UUID, Card], *, has_more: bool) -> Question:
    query = found.query.find(wanted.id)
    assert query is not None
    is_answer = any(name.startswith(TYPE_PREFIX) for one in query.types for name in one)
    return Question(wanted, _name_of(query), tuple(_choice(one, shown) for one in wanted.fits), is_answer, has_more)


def _choice(fit: Fit, shown: Mapping[UUID, Card]) -> Choice:
    card = shown[fit.what] if isinstance(fit.what, UUID) else None
    kind = card.type if card is not None else None
    needed, unasked = (
        tuple(cards.label_of(kind, name) for name in cards.in_order(kind, names))
        for names in (tuple(name for name in fit.needed if name not in fit.unasked), fit.unasked)
    )
    extra = tuple((name, cards.label_of(kind, name), name in fit.least) for name in cards.in_order(kind, fit.extra))
    return Choice(str(fit.what), card, None if isinstance(fit.what, UUID) else _said(fit.what), needed, extra, fit.is_whole, unasked)


def _said(statement: Statement) -> Text:
    """Return an answer in words."""
    word, organisation = (YES if statement.says else NO), " ".join(statement.organisation or ())
    return Text(f"{word.zh}：{organisation}", f"{word.en}: {organisation}") if organisation else word


def _name_of(query: CredentialQuery) -> Text:
    """Return what kinds of licence will do, or what is to be answered, in words."""
    asked = [question.name for wanted in query.types for name in wanted if (question := find_question(name)) is not None]
    if asked:
        return Text("或".join(one.zh for one in asked), " or ".join(one.en for one in asked))
    names = [one.name for one in all_types() if query.types and query.takes_type(_called(one))]
    return Text("或".join(one.zh for one in names), " or ".join(one.en for one in names)) if names else LICENCE


def _called(one: LicenceType) -> frozenset[str]:
    """Return what a type of licence is called, in whichever form."""
    return w3c_types.names_of(one.slug) | {type_uri(_settings(), one), one.doctype}


def _holder(session: Session) -> str | None:
    """Return for whom the person acts, None for themselves."""
    return cards.shown_name(directory.get_subject(session, g.signed_in.holder_id)) if g.signed_in.acting_for else None


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
