"""What an officer reads after a failed verification: what it comes to, why, and what to do next, which is not the same for each."""

from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from runtime.clock import now
from runtime.database import transaction
from tests.wallet.verifying.test_desk_pages import desk, verify
from tests.world_verifying import Counter
from wallet.issuing.life import act_on
from wallet.issuing.requests import ActRequest
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
    assert reading.verdict == (UNDECIDED if OF_REASONS[reason] in CANNOT_TELL else NOT_VERIFIED)
    assert reading.then == wording.NEXT[OF_REASONS[reason]]


def test_a_receipt_from_before_reasons_were_written_is_read(claims: dict[str, Any]) -> None:
    reading = read_claims({name: value for name, value in claims.items() if name != "reasons"} | {"verdict": "invalid"})
    assert (reading.verdict, reading.then) == (NOT_VERIFIED, None)


@pytest.mark.parametrize(("act", "conclusion"), [(Act.SUSPEND, Conclusion.SUSPENDED), (Act.REVOKE, Conclusion.REVOKED)])
def test_the_desk_says_what_to_do_about_a_licence_that_does_not_hold(counter: Counter, desk: FlaskClient, act: Act, conclusion: Conclusion) -> None:
    code, settings = counter.code(), counter.client.application.extensions["kabao_settings"]
    with transaction() as session:
        act_on(session, settings, counter.licence, ActRequest(act, "交通违法", "道路交通安全法"), department=counter.issuer, now=now())
    page = verify(desk, code)
    step = page.partition('id="next-step"')[2].partition("</p>")[0]
    assert wording.NEXT[conclusion].en in step
    assert "This check is on file." in step
