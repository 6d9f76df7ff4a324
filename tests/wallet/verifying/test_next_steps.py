"""What an officer reads after a failed verification: what it comes to, why, and what to do next, which is not the same for each."""

from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.wallet.verifying.test_desk_pages import BROWSER, desk, verify
from tests.world_verifying import Counter
from wallet.issuing.credentials import credential_of
from wallet.issuing.life import act_on
from wallet.issuing.requests import ActRequest
from wallet.issuing.status_lists import StatusEntry
from wallet.register.acts import Act
from wallet.verifying import wording
from wallet.verifying.conclusions import CANNOT_TELL, OF_REASONS, Conclusion
from wallet.verifying.outcomes import Reason
from wallet.verifying.reading import NOT_VERIFIED, UNDECIDED, VERIFIED, read_claims

__all__ = ["desk"]


def test_each_conclusion_has_a_next_step_of_its_own_in_both_languages() -> None:
    assert set(wording.NEXT) == set(Conclusion) - {Conclusion.VALID}
    for text in wording.NEXT.values():
        assert text.zh.endswith("。")
        assert text.en.endswith(".")
    assert len({text.en for text in wording.NEXT.values()}) == len(wording.NEXT)


@pytest.fixture
def claims(counter: Counter) -> dict[str, Any]:
    """What the receipt of a licence that was verified says."""
    said: dict[str, Any] = jwt.decode(counter.verify(counter.code()).json["receipt"]["jws"], options={"verify_signature": False})
    return said


@pytest.mark.parametrize("reason", list(OF_REASONS), ids=str)
def test_a_receipt_tells_what_nobody_could_tell_from_what_is_wrong(claims: dict[str, Any], reason: Reason) -> None:
    assert (read_claims(claims).verdict, read_claims(claims).then) == (VERIFIED, None)
    reading = read_claims({**claims, "verdict": "invalid", "reasons": {"status": reason.value}})
    told = OF_REASONS[reason] not in CANNOT_TELL
    assert (reading.verdict, reading.mark) == ((NOT_VERIFIED, "invalid") if told else (UNDECIDED, "unknown"))
    again = OF_REASONS[reason] in (Conclusion.REVOKED, Conclusion.EXPIRED)  # the licence itself is valid
    usual = wording.NEXT[Conclusion.NOT_SHOWN_BY_HOLDER if again else OF_REASONS[reason]]
    assert reading.then == wording.NEXT_BY_REASON.get(reason, usual)


JUDGED = [("source_unavailable", "unknown", wording.UNTOLD), ("revoked", "fail", wording.RESULTS["failed"])]


@pytest.mark.parametrize(("reason", "mark", "said"), JUDGED)
def test_a_check_that_nobody_could_answer_is_not_said_to_have_failed(claims: dict[str, Any], reason: str, mark: str, said: Text) -> None:
    failed = {"verdict": "invalid", "checks": {**claims["checks"], "status": "failed"}, "reasons": {"status": reason}}
    assert [(one.mark, one.result) for one in read_claims({**claims, **failed}).checks if one.name == wording.CHECKS["status"]] == [(mark, said)]


@pytest.mark.parametrize(
    ("state", "why", "step"),
    [
        ("expired", "The licence has expired.", wording.RENEW),
        ("valid", "What was shown has expired; the licence itself holds.", wording.NEXT[Conclusion.NOT_SHOWN_BY_HOLDER]),
        ("unknown", wording.REASONS[Reason.EXPIRED].en, wording.NEXT[Conclusion.EXPIRED]),
    ],
)
def test_a_licence_that_has_expired_is_told_from_a_code_that_has(claims: dict[str, Any], state: str, why: str, step: Text) -> None:
    reading = read_claims({**claims, "verdict": "invalid", "reasons": {"validity": "expired"}, "licence": {**claims["licence"], "state": state}})
    assert reading.why is not None
    assert (reading.why.en, reading.then) == (why, step)


@pytest.mark.parametrize(("others", "mark"), [([], "unknown"), (["unknown"], "unknown"), (["unknown", "invalid"], "invalid"), (["valid"], "unknown")])
def test_of_several_licences_one_that_is_wrong_counts_for_all(claims: dict[str, Any], others: list[str], mark: str) -> None:
    found = {
        "unknown": {"verdict": "invalid", "reasons": {"status": "source_unavailable"}},
        "invalid": {"verdict": "invalid", "reasons": {"status": "revoked"}},
        "valid": {"verdict": "valid"},
    }
    one = {name: claims[name] for name in ("licence", "checks", "fields")}
    also = [{**one, **found[other]} for other in others]
    assert read_claims({**claims, **found["unknown"], "also": also}).mark == mark


def test_a_receipt_from_before_reasons_were_written_is_read(claims: dict[str, Any]) -> None:
    reading = read_claims({name: value for name, value in claims.items() if name != "reasons"} | {"verdict": "invalid"})
    assert (reading.verdict, reading.then) == (NOT_VERIFIED, None)


def test_of_a_licence_of_another_province_nobody_says_in_which_way_it_ended(claims: dict[str, Any]) -> None:
    """Its status list says that it is over, and no more: a licence that was given back must not look as if it had been taken."""
    elsewhere = {**claims["licence"], "state": "revoked", "issuer": {**claims["licence"]["issuer"], "province": "示例省"}}
    reading = read_claims({**claims, "verdict": "invalid", "reasons": {"status": "revoked"}, "licence": elsewhere})
    assert (reading.why, reading.state_name) == (wording.REASONS[Reason.REVOKED], None)
    assert reading.then == wording.NEXT[Conclusion.REVOKED]


WAYS = {
    Act.SUSPEND: (Conclusion.SUSPENDED, "The licence is suspended."),
    Act.REVOKE: (Conclusion.REVOKED, "The licence has been revoked."),
    Act.ANNUL: (Conclusion.REVOKED, "The licence has been annulled."),
    Act.CANCEL: (Conclusion.NOT_IN_FORCE, "The licence has been cancelled."),
    Act.LAPSE: (Conclusion.NOT_IN_FORCE, "The licence has lapsed."),
}


@pytest.mark.parametrize("act", WAYS, ids=str)
def test_the_desk_says_how_a_licence_ended_and_what_to_do_about_it(counter: Counter, desk: FlaskClient, act: Act) -> None:
    """Whoever gave their licence back is not told to have lost it by an authority's act."""
    conclusion, why = WAYS[act]
    code, settings = counter.code(), counter.client.application.extensions["kabao_settings"]
    with transaction() as session:
        act_on(session, settings, counter.licence, ActRequest(act, "交通违法", "道路交通安全法"), department=counter.issuer, now=now())
    answer = counter.verify(code).json
    assert answer["conclusion"] == conclusion
    page = desk.get(f"/desk/receipts/{answer['receipt']['id']}", headers=BROWSER).text
    assert why in page.partition('id="why"')[2].partition("</p>")[0]
    step = page.partition('id="next-step"')[2].partition("</p>")[0]
    assert wording.NEXT[conclusion].en in step
    assert "This check is on file." in step


def test_of_a_credential_that_was_taken_back_the_licence_is_not_said_to_be_over(counter: Counter, desk: FlaskClient) -> None:
    code = counter.code()
    with transaction() as session:
        place = credential_of(session, counter.licence)
        session.execute(update(StatusEntry).where(StatusEntry.list_id == place.status_list, StatusEntry.index == place.status_index).values(status=1))
    page = verify(desk, code)
    assert "What was shown has been taken back; the licence itself holds." in page
    assert wording.NEXT[Conclusion.NOT_SHOWN_BY_HOLDER].en in page
