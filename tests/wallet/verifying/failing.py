"""What every form goes through: the checks, and a presentation that is wrong in one thing alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.wallet.verifying import presented
from tests.wallet.verifying.presented import NOW
from wallet.verifying.checks import Expected, NotVerified, Trust, Verified, verify
from wallet.verifying.outcomes import Reason, Result
from wallet.verifying.presentations import Presentation

Made = Callable[[], Presentation]


def run(shown: Presentation, *, expected: Expected, state: str = "valid", shift: timedelta = timedelta(0), trust: Trust | None = None) -> Verified:
    """Put a presentation before the checks."""
    return verify(shown, expected=expected, trust=trust or presented.trust(), status_of=lambda claims: state, now=NOW + shift)


def expect_just(check: str, reason: Reason, made: Made, *, expected: Expected, trust: Trust | None = None) -> None:
    """Expect that one check fails, that those before it pass, and that what is believed of the licence holds nothing of its holder."""
    with pytest.raises(NotVerified) as caught:
        run(made(), expected=expected, trust=trust)
    assert (caught.value.check, caught.value.reason) == (check, reason)
    results = [outcome.result for outcome in caught.value.outcomes]
    at = [one.__name__ for one in expected.checks_of(made())].index(check)
    assert set(results[:at]) <= {Result.PASSED, Result.NOT_ASKED}
    assert set(results[at + 1 :]) <= {Result.NOT_REACHED}
    assert (caught.value.claims is not None) == (at > 3), "believed once signature and issuer are"
    assert "欧阳试" not in str(caught.value.claims)
