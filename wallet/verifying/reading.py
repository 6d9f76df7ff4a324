"""A receipt as people read it: the verdict in words, each check, the fields by their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from runtime.languages import Text, text_of
from wallet.holding.cards import in_order, label_of
from wallet.holding.uses import Way
from wallet.issuing import copy_marks, formats
from wallet.issuing.copy_marks import Marking
from wallet.register.catalogue import LicenceTypeNotFound, get_type, get_version
from wallet.register.definitions import LicenceType
from wallet.register.licences import LicenceState
from wallet.verifying import wording
from wallet.verifying.conclusions import CANNOT_TELL, OF_REASONS, Conclusion
from wallet.verifying.outcomes import Reason, Result
from wallet.verifying.receipts import VALID, Receipt

MARKS = {Result.PASSED: "pass", Result.FAILED: "fail", Result.NOT_ASKED: "skip", Result.NOT_REACHED: "skip"}
YES_NO = {True: Text("是", "Yes"), False: Text("否", "No")}
VERIFIED, NOT_VERIFIED, DRAWN = Text("核验通过", "Verified"), Text("核验未通过", "Not verified"), Text("已调用", "Drawn")
UNDECIDED = Text("暂时无法核验", "Could not be verified")
WHOEVER = Text("只证明证照属实，不证明是谁出示。", "It proves the licence, and not who brought it.")
NOT_ALL = Text("部分证照核验未通过", "Not all verified")
STATES = {
    "deceased": Text("登记库显示，持证人已去世。", "The registry says that the holder has died."),
    "dissolved": Text("登记库显示，持证单位已终止。", "The registry says that the organisation was dissolved."),
}
NUMBER_CHANGED = Text("所填号码是持证主体的旧号码。", "The number that was given is a former one of the holder's.")
NAME_CHANGED = Text(
    "登记库中持证主体的姓名（名称）在证照签发后已变更；号码所指仍为同一主体。",
    "The holder's name in the register has changed since the licence was issued; the number is still the same holder's.",
)
BASES = {
    Way.PRESENTATION: Text("持证人出示，部门核验", "Shown by its holder and verified"),
    Way.BROUGHT: Text("凭文件、离线码或编号核验，未核对出示人", "Verified by a document, an offline code or its number, whoever brought that"),
    Way.ANSWER: Text("持证人应请求出示，部门核验", "Sent by its holder on request and verified"),
    Way.DRAW: Text("部门依职权调用", "Drawn on statutory authority"),
    Way.CONSENT: Text("经持证人同意调用", "Drawn with the holder's consent"),
}


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check: its name, how it ended in words, `pass`, `fail`, `unknown` where nobody could tell, or `skip`, and why it failed, or had nothing to
    ask.
    """

    name: Text
    result: Text
    mark: str
    why: Text | None = None


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field that was seen; `value` is None once it is forgotten."""

    label: Text
    value: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a receipt says, ready to be shown or printed: `why` it was not verified and what to do `then`, or, if it was, what to `note` of checks
    that were not asked.
    """

    number: str
    is_valid: bool
    verdict: Text
    why: Text | None
    note: Text | None
    way: Text
    at: datetime
    verifier: Text
    verifier_code: str
    system: str | None
    cause: dict[str, str]
    licence: dict[str, Any] | None
    licence_name: Text | None
    issuer: Text | None
    state: str | None
    state_name: Text | None
    checks: list[CheckLine]
    fields: list[FieldLine]
    digest: str
    marking: Marking | None = None
    also: "tuple[Reading, ...]" = ()
    confirmed: list[str] = field(default_factory=list)
    is_drawn: bool = False
    of_holder: Text | None = None
    form: Text | None = None
    then: Text | None = None

    @property
    def all_valid(self) -> bool:
        """Whether each licence under the code was valid."""
        return self.is_valid and all(one.is_valid for one in self.also)

    @property
    def mark(self) -> str:
        """How it is drawn: `valid`, `invalid`, or `unknown` where nothing is wrong but that it could not be told."""
        failed = [one for one in (self, *self.also) if not one.is_valid]
        return "valid" if not failed else "unknown" if all(one.verdict == UNDECIDED for one in failed) else "invalid"


def read_receipt(receipt: Receipt) -> Reading:
    """Read a receipt with the values of its fields, as long as they are kept."""
    answer = receipt.answer or {}
    others = answer.get("further", ())
    further = tuple(one["fields"] for one in others)
    reading = read_claims(receipt.claims, values=answer.get("fields", {}), further=further)
    known = next((one["holder"] for one in (answer, *others) if "holder" in one), None)
    if known is not None:
        reading = replace(reading, of_holder=_of_holder(known))
    return replace(reading, marking=copy_marks.from_json(answer["marked_copy"])) if "marked_copy" in answer else reading


def read_claims(claims: dict[str, Any], *, values: dict[str, Any] | None = None, further: Sequence[dict[str, Any]] = ()) -> Reading:
    """Read what a receipt says of itself; it names fields and holds no values. One made before reasons were written down gives none.

    `further` are the values of the other licences that it names.
    """
    licence, is_valid = claims["licence"], claims["verdict"] == VALID
    licence_type = _type_of(licence)
    also = tuple(
        read_claims({**claims, "reasons": {}, **one, "also": ()}, values=shown)
        for one, shown in zip_longest(claims.get("also", ()), further, fillvalue=None)
        if one
    )
    passed = VERIFIED if all(one.is_valid for one in also) else NOT_ALL
    state = licence["state"] if licence else None
    is_told = licence is not None and "province" not in licence["issuer"]  # of another province's a list says that it is over, and not in which way
    reasons = {name: wording.reason_in(Reason(one), state if is_told else None) for name, one in claims.get("reasons", {}).items()}
    conclusions = {name: OF_REASONS.get(Reason(one)) for name, one in claims.get("reasons", {}).items()}
    conclusion = next(iter(conclusions.values()), None) if not is_valid else None
    failed = UNDECIDED if conclusion in CANNOT_TELL else NOT_VERIFIED
    verdict = failed if not is_valid else DRAWN if claims["way"] == "draw" else passed
    reason, code = next(iter(reasons.values()), None), next(iter(claims.get("reasons", {}).values()), None)
    notes = [one for one in (reason, WHOEVER if claims["basis"] == Way.BROUGHT else None) if one is not None]
    return Reading(
        number=claims["jti"],
        is_valid=is_valid,
        verdict=verdict,
        why=None if is_valid else reason,
        note=Text("".join(one.zh for one in notes), " ".join(one.en for one in notes)) if is_valid and notes else None,
        way=BASES[Way(claims["basis"])],
        at=datetime.fromtimestamp(claims["iat"], UTC),
        verifier=text_of(claims["verifier"]["name"]),
        verifier_code=claims["verifier"]["code"],
        system=claims["verifier"].get("system"),
        cause=claims["cause"],
        licence=licence,
        licence_name=text_of(licence["name"]) if licence else None,
        issuer=text_of(licence["issuer"]["name"]) if licence and licence["issuer"]["name"] else None,
        state=state,
        state_name=LicenceState(state).text if state in set(LicenceState) and (is_told or state != LicenceState.REVOKED) else None,
        checks=[_check(name, Result(result), reasons.get(name), conclusions.get(name)) for name, result in claims["checks"].items()],
        fields=[_field(licence_type, name, (values or {}).get(name)) for name in in_order(licence_type, claims["fields"])],
        digest=claims["digest"]["value"],
        also=also,
        confirmed=[one["text"] for one in claims.get("confirmed", [])],
        is_drawn=claims["way"] == "draw",
        form=formats.WORDS.get(claims.get("format", "")),
        then=wording.next_step(conclusion, state if is_told else None, reason=Reason(code) if code else None),
    )


def _of_holder(known: dict[str, Any]) -> Text | None:
    """Return what whoever sees a licence must know of its holder, in words; None where all is as it was."""
    said = [STATES[known["state"]]] if known.get("state") in STATES else []
    said += [NUMBER_CHANGED] if known.get("number_changed") else []
    said += [NAME_CHANGED] if known.get("name_changed") else []
    return Text("".join(one.zh for one in said), " ".join(one.en for one in said)) if said else None


def _check(name: str, result: Result, why: Text | None, conclusion: Conclusion | None) -> CheckLine:
    if result is Result.FAILED and conclusion in CANNOT_TELL:
        return CheckLine(wording.CHECKS[name], wording.UNTOLD, "unknown", why)
    return CheckLine(wording.CHECKS[name], wording.RESULTS[result], MARKS[result], why)


def _field(licence_type: LicenceType | None, name: str, value: Any) -> FieldLine:
    if licence_type is None:
        said = YES_NO[value] if isinstance(value, bool) else value
        return FieldLine(label_of(None, name), None if said is None else str(said))
    known = licence_type.find_field(name)
    shown = None if value is None else known.shown(value) if known else str(value)
    return FieldLine(label_of(licence_type, name), shown)


def _type_of(licence: dict[str, Any] | None) -> LicenceType | None:
    try:
        if licence is None:
            return None
        return get_version(licence["type"], licence["version"]) if "version" in licence else get_type(licence["type"])
    except LicenceTypeNotFound:
        return None
