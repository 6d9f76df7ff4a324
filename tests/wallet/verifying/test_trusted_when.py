"""A credential is judged by what held when it was signed: renewal, the end of a certificate, revocation, and authorities outside."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from keys.paths import Revoked, fingerprint_of
from tests.wallet.verifying.presented import NOW, YEAR, Presented, certificate, root
from wallet.verifying.checks import Expected, NotVerified, Trust, Verified, verify
from wallet.verifying.outcomes import Reason

UNBOUND = Expected(binding=False, audience=None, nonce=None, vcts=None, binding_age=timedelta(minutes=5))
DAY = timedelta(days=1)
OLD = certificate(begins=NOW - 3 * YEAR, ends=NOW)


def judge(
    leaf: x509.Certificate, *, signed: datetime, at: datetime, trust: Trust | None = None, chain: tuple[x509.Certificate, ...] = ()
) -> Verified:
    claims: dict[str, Any] = {"iat": int(signed.timestamp()), "nbf": int(signed.timestamp()), "exp": None}
    text = Presented(chain=[leaf, *chain], claims=claims, bound=False).text()
    return verify(text, expected=UNBOUND, trust=trust or Trust((root(),)), status_of=lambda claims: "valid", now=at)


def reason(*args: Any, **how: Any) -> Reason:
    with pytest.raises(NotVerified) as caught:
        judge(*args, **how)
    return caught.value.reason


def test_what_was_signed_under_a_certificate_that_has_ended_stays_good() -> None:
    assert judge(OLD, signed=NOW - DAY, at=NOW + 2 * YEAR)


def test_what_a_certificate_signed_after_its_end_is_not_good() -> None:
    assert reason(OLD, signed=NOW + DAY, at=NOW + 2 * YEAR) is Reason.UNTRUSTED


def test_what_a_certificate_signed_before_its_beginning_is_not_good() -> None:
    assert reason(OLD, signed=NOW - 4 * YEAR, at=NOW) is Reason.UNTRUSTED


def test_a_credential_that_does_not_say_when_it_was_signed_is_judged_by_now() -> None:
    text = Presented(chain=[OLD], claims={"iat": None, "nbf": None, "exp": None}, bound=False).text()
    with pytest.raises(NotVerified) as caught:
        verify(text, expected=UNBOUND, trust=Trust((root(),)), status_of=lambda claims: "valid", now=NOW + DAY)
    assert caught.value.reason is Reason.UNTRUSTED


@pytest.mark.parametrize("iat", ["x", True, [], {}, float("inf"), 1e300, -1e300], ids=str)
def test_a_moment_of_signing_that_is_none_crashes_nothing(iat: Any) -> None:
    text = Presented(chain=[OLD], claims={"iat": iat, "exp": None}, bound=False).text()
    with pytest.raises(NotVerified):
        verify(text, expected=UNBOUND, trust=Trust((root(),)), status_of=lambda claims: "valid", now=NOW + DAY)


@pytest.mark.parametrize(
    ("signed", "compromised", "expected"),
    [
        pytest.param(NOW - 2 * DAY, False, None, id="signed before it was revoked"),
        pytest.param(NOW - DAY, False, Reason.CERTIFICATE_REVOKED, id="signed as it was revoked"),
        pytest.param(NOW - DAY / 2, False, Reason.CERTIFICATE_REVOKED, id="signed after"),
        pytest.param(NOW - 2 * DAY, True, Reason.CERTIFICATE_REVOKED, id="by a key that a stranger may have had"),
    ],
)
def test_a_revoked_certificate(signed: datetime, compromised: bool, expected: Reason | None) -> None:
    trust = Trust((root(),), {fingerprint_of(OLD): Revoked(NOW - DAY, compromised)})
    if expected is None:
        assert judge(OLD, signed=signed, at=NOW + DAY, trust=trust)
    else:
        assert reason(OLD, signed=signed, at=NOW + DAY, trust=trust) is expected


def test_a_root_outside_vouches_for_imported_certificates_alone() -> None:
    outside = certificate(subject="outside", issuer="outside", uri=None, ca=True, signs=False)
    leaf = certificate(issuer="outside")
    known = Trust((root(),), outside=(outside,), imported=frozenset({fingerprint_of(leaf)}))
    assert judge(leaf, signed=NOW, at=NOW, trust=known)
    assert reason(certificate(issuer="outside"), signed=NOW, at=NOW, trust=known) is Reason.UNTRUSTED
