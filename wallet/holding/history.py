"""The history of a wallet in words: who looked at what, when, why, and the receipt that they have for it."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from idp.subjects import directory
from runtime.languages import Text
from wallet.holding.cards import A_YES_OR_NO, ANSWERS, NOT_ISSUED_YET, in_order, issuer_name, label_of, shown_name
from wallet.holding.ratings import is_rated, scores_of
from wallet.holding.uses import Use, Way, receipts_beyond, uses_of
from wallet.issuing import pending
from wallet.register.catalogue import get_type
from wallet.register.definitions import LicenceType
from wallet.register.licences import find_all_held, type_of

WAYS = {
    Way.PRESENTATION.value: Text("您亮码出示", "You showed it"),
    Way.BROUGHT.value: Text("凭文件、离线码或编号核验，未核对出示人", "Checked by a document, an offline code or its number, whoever brought that"),
    Way.ANSWER.value: Text("您答复了请求", "You answered a request"),
    Way.DRAW.value: Text("部门依职权调用", "Drawn on statutory authority"),
    Way.CONSENT.value: Text("经您同意调取", "Drawn with your consent"),
    Way.DOCUMENT.value: Text("您取得了盖章文件", "You took a sealed document"),
    Way.COPY.value: Text("您制作了加注件", "You made a marked copy"),
    Way.COPY_FETCHED.value: Text("加注件已凭链接领取", "The marked copy was fetched by its link"),
    Way.REGISTER.value: Text("发证部门查询登记", "The issuing department looked into its register"),
}
DONE = {  # the same, where somebody acted for the holder
    Way.PRESENTATION.value: Text("亮码出示", "Shown by a code"),
    Way.ANSWER.value: Text("答复了请求", "A request was answered"),
    Way.CONSENT.value: Text("经同意调取", "Drawn with consent"),
    Way.DOCUMENT.value: Text("取得了盖章文件", "A sealed document was taken"),
    Way.COPY.value: Text("制作了加注件", "A marked copy was made"),
}
ACTED = Text("代办人", "Whoever acted")
BY_YOU, BY_ANOTHER = Text("由您代办", "by you, acting for the holder"), Text("由{}代办", "by {}, acting for the holder")
OWN = {way.value: Text("您本人", "Yourself") for way in (Way.DOCUMENT, Way.COPY)} | {Way.COPY_FETCHED.value: Text("持链接者", "Whoever had the link")}
NOTHING = (None, None)
PAGE, FIRST = 50, 10  # on a page of their own, and on a card's

Seen = tuple[UUID | None, LicenceType | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One look at one licence, or at a request for one (then there is no `licence_id` yet); `passed` unless the check failed.

    `acted` says who acted for the holder, where somebody did; it `has_receipt` if its viewer may see the whole of it.
    """

    id: UUID
    at: datetime
    department: Text
    cause: str
    way: Text
    fields: tuple[Text, ...]
    licence_id: UUID | None
    licence: Text
    receipt_id: UUID | None
    passed: bool
    acted: Text | None = None
    ratable: bool = False
    has_receipt: bool = False
    score: int | None = None
    is_answered: bool = False


def history_of(session: Session, viewer: SignedIn, *, licence_id: UUID | None = None, before: UUID | None = None, limit: int = PAGE) -> list[Entry]:
    """Return the uses of a wallet, or of one licence in it, that its viewer may see, the newest first.

    At most `limit` of them, older than the entry `before` if it is given.
    """
    found = uses_of(session, holder_id=viewer.holder_id, licence_id=licence_id, types=viewer.types, before=before, limit=limit)
    scores = scores_of(session, viewer.holder_id, [use for use in found if is_rated(use.way)])
    seen, acted = _what(session, viewer.holder_id, found), _acted(session, found, viewer)
    entries = [_entry(use, *seen.get(use.id, NOTHING), acted.get(use.acted_by), scores.get(use.id)) for use in found]
    if viewer.types is None:
        return entries
    beyond = receipts_beyond(session, {use.receipt_id for use in found if use.receipt_id}, holder_id=viewer.holder_id, types=viewer.types)
    return [replace(one, has_receipt=False) if one.receipt_id in beyond else one for one in entries]


def _entry(use: Use, licence_id: UUID | None, licence_type: LicenceType | None, acted: Text | None, rated: tuple[int, bool] | None) -> Entry:
    return Entry(
        id=use.id,
        at=use.at,
        department=_who(use, acted) or issuer_name(use.department),
        cause=use.cause,
        way=DONE.get(use.way, WAYS[use.way]) if acted else WAYS[use.way],
        acted=acted,
        fields=tuple(label_of(licence_type, name) for name in in_order(licence_type, use.fields)),
        licence_id=licence_id,
        licence=_named(use, licence_type, is_issued=licence_id is not None),
        receipt_id=use.receipt_id,
        passed=use.verdict == "valid",
        ratable=is_rated(use.way),
        has_receipt=is_rated(use.way) and use.receipt_id is not None,
        score=rated[0] if rated else None,
        is_answered=rated is not None and rated[1],
    )


def _named(use: Use, licence_type: LicenceType | None, *, is_issued: bool) -> Text:
    """Return what was looked at: a licence, one that is not issued yet, or no licence but an answer."""
    if licence_type is None:
        return A_YES_OR_NO if ANSWERS.intersection(use.fields) else NOT_ISSUED_YET
    name = licence_type.name
    return name if is_issued else Text(f"{name.zh}（申请）", f"{name.en} (applied for)")


def _acted(session: Session, uses: list[Use], viewer: SignedIn) -> dict[UUID | None, Text]:
    """Return in words who acted in some uses: the viewer, or another, whose name is covered; by one question, if any."""
    people = {use.acted_by for use in uses if use.acted_by is not None}
    others = people - {viewer.subject_id}
    subjects = directory.get_subjects(session, others) if others else {}
    return {one: BY_ANOTHER.format(shown_name(subjects[one])) if one in subjects else BY_YOU for one in people}


def _who(use: Use, acted: Text | None) -> Text | None:
    """Return whose doing a use was that no department had a part in."""
    found = OWN.get(use.way)
    return ACTED if found is not None and acted is not None else found


def _what(session: Session, holder_id: UUID, uses: list[Use]) -> dict[UUID, Seen]:
    """Return, of each use, the licence that was seen, and its type; of a request for one what came of it, if anything did yet.

    One question for licences, and one for requests if there are any, however many uses there are.
    """
    licences = {one.id: one for one in find_all_held(session, {use.licence_id for use in uses}, holder_id=holder_id)}
    found: dict[UUID, Seen] = {use.id: (use.licence_id, type_of(licences[use.licence_id])) for use in uses if use.licence_id in licences}
    rest = {use.id: (use.department, use.licence_id) for use in uses if use.id not in found}
    asked = {(one.department_code, one.id): one for one in pending.find_requests(session, set(rest.values()))}
    whose = {use_id: asked.get(named) for use_id, named in rest.items()}
    return found | {use_id: (one.result_id, get_type(one.type_code)) for use_id, one in whose.items() if one is not None}
