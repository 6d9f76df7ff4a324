"""W3C credentials by the times that the credential itself names (data model 2.0 section 4.9, 1.1 section 4.6), beside those of the JWT around it."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from tests.wallet.verifying.failing import expect_just, run
from tests.wallet.verifying.presented import EXPECTED, NOW
from tests.wallet.verifying.shown import TIME, VcJwt
from tests.wallet.verifying.test_short_lives import NOT_ASKED, listed
from wallet.verifying.outcomes import Reason
from wallet.verifying.short_lives import LONGEST

UNBOUND = dataclasses.replace(EXPECTED, binding=False)
NAMES = {False: ("validFrom", "validUntil"), True: ("issuanceDate", "expirationDate")}
NO_TIMES: dict[str, Any] = {"nbf": None, "exp": None}


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def credential(*, is_1_1: bool, begins: Any = None, ends: Any = None, **claims: Any) -> VcJwt:
    return VcJwt(is_1_1=is_1_1, claims=claims, credential=dict(zip(NAMES[is_1_1], (begins, ends), strict=True)))


@pytest.mark.parametrize("is_1_1", [False, True], ids=["2.0", "1.1"])
@pytest.mark.parametrize("claims", [NO_TIMES, {}], ids=["alone", "beside wider ones of the JWT"])
class TestTimesOfTheCredential:
    def test_one_that_is_over_is_expired(self, is_1_1: bool, claims: dict[str, Any]) -> None:
        made = credential(is_1_1=is_1_1, begins=at(-100), ends=at(-1), **claims)
        expect_just("validity", Reason.EXPIRED, made.shown, expected=UNBOUND)

    def test_one_that_is_to_come_is_not_valid_yet(self, is_1_1: bool, claims: dict[str, Any]) -> None:
        made = credential(is_1_1=is_1_1, begins=at(100), ends=at(500), **claims)
        expect_just("validity", Reason.NOT_YET_VALID, made.shown, expected=UNBOUND)

    @pytest.mark.parametrize("wrong", ["2020-01-01", "2020-01-01T00:00:00", "soon", "", 5, None, ["2020-01-01T00:00:00Z"], True])
    def test_a_time_that_is_none_makes_it_malformed(self, is_1_1: bool, claims: dict[str, Any], wrong: Any) -> None:
        made = credential(is_1_1=is_1_1, begins=at(-100), **claims)
        text = dataclasses.replace(made, credential={**made.credential, NAMES[is_1_1][1]: wrong if wrong is not None else {}})
        expect_just("form", Reason.MALFORMED, text.shown, expected=UNBOUND)

    @pytest.mark.parametrize("ends", [at(1), "9999-12-31T23:59:59Z", (NOW + timedelta(hours=8, seconds=1)).isoformat()[:-6] + "+08:00"])
    def test_one_in_its_time_is_believed(self, is_1_1: bool, claims: dict[str, Any], ends: str) -> None:
        run(credential(is_1_1=is_1_1, begins="0001-01-01T00:00:00+14:00", ends=ends, **claims).shown(), expected=UNBOUND)


def test_the_narrower_of_both_counts() -> None:
    narrow = credential(is_1_1=False, begins=at(-500), ends=at(500), nbf=TIME + 100)
    expect_just("validity", Reason.NOT_YET_VALID, narrow.shown, expected=UNBOUND)
    over = credential(is_1_1=False, begins=at(-500), ends=at(500), exp=TIME - 1)
    expect_just("validity", Reason.EXPIRED, over.shown, expected=UNBOUND)


def test_a_time_of_the_jwt_that_is_none_is_not_mended_by_the_credential_s() -> None:
    made = credential(is_1_1=False, begins=at(-500), ends=at(500), exp="never")
    expect_just("validity", Reason.MALFORMED, made.shown, expected=UNBOUND)


def test_a_life_of_a_day_may_be_told_by_the_credential_alone() -> None:
    made = credential(is_1_1=False, begins=at(-60), ends=at(-60 + LONGEST), iat=TIME - 60, status=None, **NO_TIMES)
    assert run(made.shown(), expected=UNBOUND, trust=listed(), state="revoked").outcomes[-1] == NOT_ASKED
    longer = credential(is_1_1=False, begins=at(-61), ends=at(-60 + LONGEST), iat=TIME - 60, status=None, **NO_TIMES)
    expect_just("status", Reason.NO_STATUS, longer.shown, expected=UNBOUND, trust=listed())
