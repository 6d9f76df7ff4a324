"""W3C presentations that are wrong in one thing, by name: each fails by just that check, has a receipt that says so, and tells no field."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from keys import certificates, ring
from tests.wallet.verifying.openid4vp.test_asking import FIELDS, read
from tests.wallet.verifying.openid4vp.test_wrong_answers import Present, bound, by_a_thief, check, of_another_request, outcome, revoked
from tests.wallet.verifying.openid4vp.wallets import VC_JWT, Got, Wallet, asked, decoded, fetch_licence
from tests.world_verifying import Counter
from wallet.verifying.outcomes import Reason

WANTED = [{"type": "driving-licence", "fields": ["vehicle_class"], "formats": [VC_JWT]}]


def w3c(present: Present) -> Present:
    """The same licence as a W3C credential, in a presentation."""

    def presented(counter: Counter, wallet: Wallet, got: Got) -> str:
        wallet.held = fetch_licence(wallet.app, counter.licence, VC_JWT)
        return present(counter, wallet, got)

    return presented


def presenting(changed: Callable[[str], list[str]]) -> Present:
    """The presentation, rightly bound, holds something else than the credential."""

    def present(counter: Counter, wallet: Wallet, got: Got) -> str:
        held = changed(str(wallet.held.credential))
        return bound(vp={"type": ["VerifiablePresentation"], "verifiableCredential": held})(counter, wallet, got)

    return present


def reissued(change: Callable[[dict[str, Any]], None]) -> Present:
    """The issuer signed something else as a W3C credential."""

    def present(counter: Counter, wallet: Wallet, got: Got) -> str:
        payload = json.loads(decoded(str(wallet.held.credential).split(".")[1]))
        change(payload)
        wallet.held.credential = ring.signer(certificates.department_use(counter.issuer)).sign(payload, typ="JWT")
        return wallet.present(got, FIELDS)

    return w3c(present)


W3C: dict[str, tuple[str, Reason, Present]] = {
    "two credentials": ("form", Reason.MALFORMED, w3c(presenting(lambda held: [held, held]))),
    "no credential": ("form", Reason.MALFORMED, w3c(presenting(lambda _: []))),
    "credential's signature": ("signature", Reason.BAD_SIGNATURE, w3c(presenting(lambda held: [held[:-60] + "A" * 60]))),
    "no proof of the holder": ("holder_binding", Reason.NOT_BOUND, w3c(lambda counter, wallet, got: str(wallet.held.credential))),
    "proof by a thief": ("holder_binding", Reason.BAD_BINDING, w3c(by_a_thief)),
    "proof of the past": ("holder_binding", Reason.STALE_BINDING, w3c(bound(iat=int(time.time()) - 3600))),
    "proof that is over": ("holder_binding", Reason.STALE_BINDING, w3c(bound(exp=int(time.time()) - 1))),
    "proof of the future": ("holder_binding", Reason.STALE_BINDING, w3c(bound(iat=int(time.time()) + 7200))),
    "proof for another": ("audience", Reason.WRONG_AUDIENCE, w3c(bound(aud="x509_hash:" + "A" * 43))),
    "proof of another nonce": ("nonce", Reason.WRONG_NONCE, w3c(bound(nonce="n" * 43))),
    "proof of another request": ("nonce", Reason.WRONG_NONCE, w3c(of_another_request)),
    "another type": ("asked", Reason.NOT_AS_ASKED, reissued(lambda held: held["vc"].update(type=["VerifiableCredential", "Diploma"]))),
    "w3c expired": ("validity", Reason.EXPIRED, reissued(lambda held: held.update(exp=int(time.time()) - 1))),
    "bound to nobody": ("holder_binding", Reason.BAD_BINDING, reissued(lambda held: held.pop("cnf"))),
    "w3c revoked": ("status", Reason.REVOKED, w3c(revoked)),
}


@pytest.mark.parametrize(("name", "reason", "present"), W3C.values(), ids=W3C)
def test_a_wrong_w3c_presentation_fails_by_just_that_check(counter: Counter, wallet: Wallet, name: str, reason: Reason, present: Present) -> None:
    check(outcome(counter, wallet, present, credentials=WANTED), name, reason)


def test_a_presentation_for_somebody_else_is_no_answer_and_spends_the_request(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, credentials=WANTED)
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    wallet.held = fetch_licence(wallet.app, counter.licence, VC_JWT)
    wallet.binding = {"aud": "x509_hash:another"}
    wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]})
    wallet.binding = {}
    assert wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]}).status_code == 400
    assert read(counter, made["id"])["result"]["verdict"] == "invalid"


def test_a_presentation_twice_and_one_too_long_leave_the_request_as_it_was(counter: Counter, wallet: Wallet) -> None:
    made = asked(counter, credentials=[{**WANTED[0], "multiple": True}])
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    wallet.held = fetch_licence(wallet.app, counter.licence, VC_JWT)
    shown = wallet.present(got, FIELDS)
    for wrong in ([shown, shown], [shown + "A" * 600_000], [shown] * 9, [{"vp": shown}]):
        response = wallet.answer(got, {query["id"]: wrong})  # type: ignore[dict-item]
        assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request")
    assert wallet.answer(got, {query["id"]: [shown]}).status_code == 200
    assert read(counter, made["id"])["result"]["verdict"] == "valid"
