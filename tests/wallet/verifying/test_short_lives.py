"""Credentials of issuers elsewhere that live a day at most and name no keeper of their status: believed, and said not to have been asked."""

import dataclasses
from typing import Any

import pytest

from keys import paths
from tests.wallet.verifying import presented
from tests.wallet.verifying.failing import Made, expect_just, run
from tests.wallet.verifying.presented import EXPECTED, ISSUER, VCT, Presented, leaf
from tests.wallet.verifying.shown import BOUND, DOCTYPE, STATUS, TIME, Mdoc, VcJwt, VpJwt, moment
from wallet.verifying import conclusions, wording
from wallet.verifying.checks import Expected, Trust, verify
from wallet.verifying.conclusions import Conclusion
from wallet.verifying.listed import Granted, Listed
from wallet.verifying.outcomes import Outcome, Reason, Result
from wallet.verifying.sd_jwt_reading import SdJwtPresentation

DAY = 24 * 3600
UNBOUND = dataclasses.replace(EXPECTED, binding=False)
NONE: dict[str, Any] = {"status": None}
NOT_ASKED = Outcome("status", Result.NOT_ASKED, Reason.SHORT_LIVED)


def listed(**changes: Any) -> Trust:
    """The issuer, as another house's trust list names it; no root of ours vouches for it."""
    granted = Granted("11100000000013127D011", ((0.0, changes.pop("granted_until", TIME + DAY)),))
    grants = dict.fromkeys((VCT, DOCTYPE), granted)
    said: dict[str, Any] = {"begins": 0.0, "ends": TIME + 9 * DAY, "known_until": TIME + 9 * DAY, "grants": grants, **changes}
    one = Listed(ISSUER, "11379999MB1A0001X0", {"zh": "示例局"}, "虚构省", **said)
    return Trust((), listed={paths.fingerprint_of(leaf()): one})


def sd_jwt(**claims: Any) -> Made:
    return lambda: SdJwtPresentation(Presented(claims={**NONE, **claims}).text())


def vc(*, credential: dict[str, Any] | None = None, is_1_1: bool = False, **claims: Any) -> Made:
    return VcJwt(claims={**NONE, **claims}, credential=credential or {}, is_1_1=is_1_1).shown


def vp(*, credential: dict[str, Any] | None = None, **claims: Any) -> Made:
    return VpJwt(credential=VcJwt(is_1_1=True, claims={**BOUND, **NONE, **claims}, credential=credential or {})).shown


def mobile(*, status: Any = None, absent: bool = True, **validity: Any) -> Made:
    dates = {name: moment(at - TIME) for name, at in validity.items()}
    return lambda: Mdoc(mso={"status": None} if absent else {"status": status}, validity=dates).shown()


def lives(iat: float, exp: float, **more: Any) -> dict[str, Any]:
    return {"iat": int(TIME + iat), "nbf": int(TIME + iat), "exp": int(TIME + exp), **more}


def of_mdoc(iat: float, exp: float, begins: float | None = None) -> dict[str, float]:
    return {"signed": TIME + iat, "validFrom": TIME + (iat if begins is None else begins), "validUntil": TIME + exp}


FORMS: dict[str, tuple[Any, Expected]] = {
    "sd-jwt": (sd_jwt, EXPECTED),
    "vc+jwt": (vc, UNBOUND),
    "jwt_vc_json": (vp, EXPECTED),
    "mso_mdoc": (mobile, EXPECTED),
}


def made(form: str, iat: float, exp: float) -> Made:
    found: Made = FORMS[form][0](**(of_mdoc(iat, exp) if form == "mso_mdoc" else lives(iat, exp)))
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("iat", "exp"), [(0, DAY), (-3600, 3600), (1 - DAY, 1), (30, DAY + 30)], ids=["a day", "hours", "at its end", "a clock ahead"]
)
def test_a_life_of_a_day_needs_no_status_and_the_check_says_so(form: str, iat: float, exp: float) -> None:
    verified = run(made(form, iat, exp)(), expected=FORMS[form][1], trust=listed(), state="revoked")
    assert verified.outcomes[-1] == NOT_ASKED
    assert {one.reason for one in verified.outcomes[:-1]} == {None}
    assert conclusions.conclude(verified.outcomes) is Conclusion.VALID
    row = wording.as_rows(verified.outcomes)[-1]
    assert (row["outcome"], row["reason"]) == ("not_asked", "short_lived")
    assert row["detail"]


def wrong(check: str, reason: Reason, made: Made, *, what: str, form: str, trust: Trust | None = None) -> Any:
    return pytest.param(check, reason, made, FORMS[form][1], trust or listed(), id=f"{form} {what}")


HIDDEN = {"credentialStatus": {"id": "https://elsewhere.example/1", "type": "BitstringStatusListEntry"}}
CASES = [
    *(wrong("status", Reason.NO_STATUS, made(form, 0, DAY + 1), what="that lives a second more", form=form) for form in FORMS),
    *(wrong("status", Reason.NO_STATUS, made(form, -10 * DAY, 3600), what="in the last hour of a long life", form=form) for form in FORMS),
    *(wrong("status", Reason.NO_STATUS, made(form, -60, 3600), what="of our own house", form=form, trust=presented.trust()) for form in FORMS),
    *(wrong("validity", Reason.EXPIRED, made(form, -3600, 0), what="that is over", form=form) for form in FORMS),
    *(wrong("validity", Reason.NOT_YET_VALID, made(form, 100, 3600), what="that is to come", form=form) for form in FORMS),
    *(
        wrong("issuer", Reason.NOT_GRANTED, made(form, -60, 3600), what="withdrawn before", form=form, trust=listed(granted_until=TIME - 61))
        for form in FORMS
    ),
    *(
        wrong("issuer", Reason.LIST_EXPIRED, made(form, -60, 3600), what="by a list that is over", form=form, trust=listed(known_until=TIME))
        for form in FORMS
    ),
    *(
        wrong("status", Reason.NO_STATUS, make(**{**lives(-60, 3600), **changed}), what=what, form=form)
        for form, make in (("sd-jwt", sd_jwt), ("vc+jwt", vc), ("jwt_vc_json", vp))
        for what, changed in {
            "without an end": {"exp": None},
            "signed at no time": {"iat": None},
            "that begins long before it was signed": {"nbf": TIME - DAY},
            "signed long before it begins": {"iat": TIME - DAY},
            "whose end is a number of 400 digits": {"iat": TIME - 0.5, "nbf": None, "exp": 10**400},
            "that began before all numbers": {"nbf": -(10**400), "exp": TIME + 0.5},
            "whose status is a text": {"status": "valid"},
            "whose status is a list": {"status": []},
        }.items()
    ),
    wrong("status", Reason.NO_STATUS, mobile(**of_mdoc(-60, DAY - 120, begins=-3600)), what="that begins before it was signed", form="mso_mdoc"),
    wrong("status", Reason.NO_STATUS, mobile(absent=False, status="valid", **of_mdoc(-60, 3600)), what="whose status is a text", form="mso_mdoc"),
    wrong("status", Reason.NO_STATUS, vc(credential=HIDDEN, **lives(-60, 3600)), what="whose status is kept in the W3C's way", form="vc+jwt"),
    wrong("status", Reason.NO_STATUS, vp(credential=HIDDEN, **lives(-60, 3600)), what="whose status is kept in the W3C's way", form="jwt_vc_json"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "reason", "made", "expected", "trust"), CASES)
def test_what_is_wrong_in_one_thing_fails_by_just_that_check(check: str, reason: Reason, made: Made, expected: Expected, trust: Trust) -> None:
    expect_just(check, reason, made, expected=expected, trust=trust)


def test_a_status_of_nothing_is_a_status() -> None:
    """What is written down as null, or cannot be read, was meant to be kept by somebody."""
    text = Presented(claims=lives(-60, 3600), payload={"status": None}).text()
    expect_just("status", Reason.NO_STATUS, lambda: SdJwtPresentation(text), expected=EXPECTED, trust=listed())


@pytest.mark.parametrize("form", FORMS)
def test_one_that_has_a_status_is_asked_after_however_short_its_life(form: str) -> None:
    expected = FORMS[form][1]
    dates = of_mdoc(-60, 3600)
    kept = mobile(absent=False, status=STATUS, **dates) if form == "mso_mdoc" else FORMS[form][0](**lives(-60, 3600, status=STATUS))
    expect = run(kept(), expected=expected, trust=listed())
    assert expect.outcomes[-1] == Outcome("status", Result.PASSED)
    with pytest.raises(Exception, match="status: revoked"):
        run(kept(), expected=expected, trust=listed(), state="revoked")


def test_whoever_asks_nobody_is_told_that_nobody_could_be_asked() -> None:
    shown = made("sd-jwt", -60, 3600)()
    assert verify(shown, expected=EXPECTED, trust=listed(), status_of=None, now=presented.NOW).outcomes[-1] == NOT_ASKED
    kept = SdJwtPresentation(Presented().text())
    assert verify(kept, expected=EXPECTED, trust=listed(), status_of=None, now=presented.NOW).outcomes[-1] == Outcome("status", Result.NOT_ASKED)
