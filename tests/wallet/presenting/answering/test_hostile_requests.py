import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from keys import suites
from tests.rough_servers import answering, listening
from tests.wallet.presenting.answering.steps import FIELD, Holder, open_link
from tests.world_asking import Asking, Signing, link_to, of_itself, of_stranger, sd_jwt_query
from wallet.presenting.answering.request_objects import TYPE

BOMB = {"credentials": [{"id": f"c{place}", "format": "dc+sd-jwt", "meta": {}} for place in range(2000)]}
DEEP: Any = "x"
for _ in range(500):
    DEEP = [DEEP]


def acting(**members: str) -> str:
    """An act to confirm, as it is sent."""
    told = {"type": "urn:kabao:transaction:confirmation", "credential_ids": ["licence"], "text": "同意", **members}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()


UNKNOWN_ACT = acting(type="pay")


@pytest.mark.parametrize(
    ("payload", "header"),
    [
        pytest.param({"client_id": "x509_hash:AAAA"}, {}, id="another client than the link's"),
        pytest.param({}, {"typ": "JWT"}, id="another type"),
        pytest.param({}, {"x5c": None}, id="no certificate"),
        pytest.param({}, {"x5c": []}, id="an empty chain"),
        pytest.param({}, {"x5c": ["AAAA"]}, id="no certificate that can be read"),
        pytest.param({}, {"x5c": [1]}, id="a number for a certificate"),
        pytest.param({}, {"crit": ["exp"]}, id="something that must be understood"),
        pytest.param({"response_mode": "fragment"}, {}, id="an unknown response mode"),
        pytest.param({"response_mode": None}, {}, id="no response mode"),
        pytest.param({"response_mode": "direct_post.jwt"}, {}, id="encrypted, without a key"),
        pytest.param({"response_mode": "direct_post.jwt", "client_metadata": {"jwks": {"keys": 7}}}, {}, id="encrypted, without a list of keys"),
        pytest.param({"response_type": "code"}, {}, id="another response type"),
        pytest.param({"response_uri": None}, {}, id="no address for the answer"),
        pytest.param({"response_uri": "https://user:pass@localhost/"}, {}, id="a user in the address"),
        pytest.param({"response_uri": "ftp://localhost/"}, {}, id="another scheme"),
        pytest.param({"response_uri": "https://localhost/#x"}, {}, id="a fragment in the address"),
        pytest.param({"response_uri": "https://[::1/"}, {}, id="a broken address"),
        pytest.param({"redirect_uri": "https://localhost/"}, {}, id="a redirect beside it"),
        pytest.param({"nonce": None}, {}, id="no nonce"),
        pytest.param({"nonce": "a b"}, {}, id="a nonce with a space"),
        pytest.param({"nonce": 7}, {}, id="a number for a nonce"),
        pytest.param({"state": "\n"}, {}, id="a line end for a state"),
        pytest.param({"dcql_query": None}, {}, id="no query"),
        pytest.param({"scope": "x"}, {}, id="a scope beside the query"),
        pytest.param({"dcql_query": []}, {}, id="a list for a query"),
        pytest.param({"dcql_query": BOMB}, {}, id="thousands of queries"),
        pytest.param({"dcql_query": {"credentials": DEEP}}, {}, id="a deep query"),
        pytest.param({"exp": 1}, {}, id="over"),
        pytest.param({"exp": True}, {}, id="a flag for a time"),
        pytest.param({"iat": 2**40}, {}, id="of the future"),
        pytest.param({"aud": "https://another.example"}, {}, id="for another wallet"),
        pytest.param({"aud": [7, None]}, {}, id="for nobody"),
        pytest.param({"transaction_data": [UNKNOWN_ACT]}, {}, id="an act that is not known"),
        pytest.param({"transaction_data": [acting(amount="100")]}, {}, id="an act with more than is shown"),
        pytest.param({"transaction_data": "x"}, {}, id="acts that are no list"),
        pytest.param({"transaction_data": []}, {}, id="an empty list of acts"),
    ],
)
def test_a_request_that_is_not_as_it_must_be_is_refused_and_gets_nothing(
    holder: Holder, signing: Signing, verifier: Asking, vct: str, payload: dict[str, Any], header: dict[str, Any]
) -> None:
    client, _ = holder
    text = signing.sign(verifier.payload(sd_jwt_query(vct, FIELD), **{"client_id": signing.by_hash, **payload}), **header)
    refused = open_link(client, link_to(signing.by_hash, verifier.serve(text)))
    assert refused.status_code == 422
    assert all(set(form) <= {"error", "state"} for form in verifier.received)


def test_a_request_that_has_just_run_out_is_over(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    over = verifier.link(signing, sd_jwt_query(vct, FIELD), exp=int(time.time()))
    assert "它已过期" in open_link(holder[0], over).text


@pytest.mark.parametrize("more", [{}, {"wallet_nonce": "another"}, {"wallet_nonce": None}], ids=["none", "another", "null"])
def test_a_request_that_does_not_repeat_our_nonce_is_refused(
    holder: Holder, signing: Signing, verifier: Asking, vct: str, more: dict[str, Any]
) -> None:
    payload = verifier.payload(sd_jwt_query(vct, FIELD), client_id=signing.by_hash) | more
    link = link_to(signing.by_hash, verifier.serve(signing.sign(payload)), request_uri_method="post")
    assert open_link(holder[0], link).status_code == 422
    assert verifier.received == []


def test_a_certificate_that_signed_itself_asks_for_nothing(holder: Holder, verifier: Asking, vct: str) -> None:
    """Nobody else vouches for it: of who asks it says nothing."""
    refused = open_link(holder[0], verifier.link(of_itself(), sd_jwt_query(vct, FIELD)))
    assert (refused.status_code, "所附证书与其声称的身份不符" in refused.text) == (422, True)
    assert verifier.received == []


def test_an_act_that_is_shown_whole_may_be_confirmed(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    opened = open_link(holder[0], verifier.link(signing, sd_jwt_query(vct, FIELD), transaction_data=[acting()]))
    assert opened.status_code == 303, "else the cases above would tell nothing"


def test_a_signature_of_another_key_or_of_another_text_is_refused(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, _ = holder
    payload = verifier.payload(sd_jwt_query(vct, FIELD), client_id=signing.by_hash)
    good, forged = signing.sign(payload), Signing(suites.ES256.generate(), signing.chain).sign(payload)
    head, body, signature = good.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"typ": TYPE, "alg": "none", "x5c": signing.chain}).encode()).rstrip(b"=").decode()
    symmetric = jwt.encode(payload, "secret" * 8, algorithm="HS256", headers={"typ": TYPE, "x5c": signing.chain})
    changed = f"{head}.{signing.sign({**payload, 'nonce': 'other'}).split('.')[1]}.{signature}"
    for text in (
        forged,
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.AA",
        symmetric,
        changed,
        f"{head}.{body}.",
        f"{head}.{body}.AAAA",
        good + "A" * 70_000,
    ):
        assert open_link(client, link_to(signing.by_hash, verifier.serve(text))).status_code == 422
    assert verifier.received == []


@pytest.mark.parametrize(
    ("named", "client_id", "said"),
    [
        pytest.param("verifier.example", "x509_san_dns:localhost", "所附证书与其声称的身份不符", id="another name than the certificate's"),
        pytest.param("verifier.example", "x509_san_dns:verifier.example", "它要求把内容发到别处", id="another host than the answer goes to"),
        pytest.param("*.localhost", "x509_san_dns:localhost", "所附证书与其声称的身份不符", id="a wildcard"),
        pytest.param("localhost", "x509_san_dns:LOCALHOST", "所附证书与其声称的身份不符", id="other letters"),
    ],
)
def test_a_host_that_differs_is_refused_by_name(holder: Holder, verifier: Asking, vct: str, named: str, client_id: str, said: str) -> None:
    refused = open_link(holder[0], verifier.link(of_stranger(named), sd_jwt_query(vct, FIELD), client_id=client_id))
    assert (refused.status_code, said in refused.text) == (422, True)
    assert verifier.received == []


def test_a_stranger_whose_answer_would_go_to_our_own_address_is_refused(holder: Holder, verifier: Asking, vct: str) -> None:
    posing = of_stranger("127.0.0.1")
    refused = open_link(holder[0], verifier.link(posing, sd_jwt_query(vct, FIELD), response_uri="http://127.0.0.1:8000/responses/x"))
    assert (refused.status_code, "所附证书与其声称的身份不符" in refused.text) == (422, True)
    assert verifier.received == []


def test_a_name_that_the_certificate_does_not_have_is_refused(holder: Holder, signing: Signing, verifier: Asking, vct: str) -> None:
    client, _ = holder
    elsewhere, ended = of_stranger("verifier.example"), of_stranger(lasts=-timedelta(days=1))
    asked = [
        (elsewhere, "x509_san_dns:localhost"),
        (elsewhere, "x509_san_dns:verifier.example"),
        (signing, of_stranger().by_hash),
        (ended, ended.by_hash),
    ]
    asked += [
        (signing, f"{prefix}:localhost") for prefix in ("redirect_uri", "verifier_attestation", "decentralized_identifier", "origin", "x509_san_dns")
    ]
    asked += [(signing, "localhost"), (signing, "x509_hash:"), (Signing(signing.key, [signing.chain[0], *of_stranger().chain]), signing.by_hash)][:2]
    for key, client_id in asked:
        assert open_link(client, verifier.link(key, sd_jwt_query(vct, FIELD), client_id=client_id)).status_code == 422, client_id
    assert verifier.received == []


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", id="a redirect to an inner address"),
        pytest.param(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", id="nothing there"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", id="a page"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: application/oauth-authz-req+jwt\r\n\r\n" + b"A" * 200_000, id="more than any request"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: application/oauth-authz-req+jwt\r\nContent-Length: 2\r\n\r\n\xff\xfe", id="no text"),
        pytest.param(b"nonsense", id="no answer"),
    ],
)
def test_what_is_no_request_object_is_refused(holder: Holder, raw: bytes) -> None:
    with listening(answering(raw)) as port:
        assert open_link(holder[0], link_to("x509_hash:AAAA", f"http://localhost:{port}/")).status_code == 422


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest",
        "https://10.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1:8000/account",
        "http://127.0.0.1:8000/requests/../signin",
    ],
)
def test_no_link_leads_us_to_an_inner_address_or_to_another_of_our_own(holder: Holder, uri: str) -> None:
    assert open_link(holder[0], link_to("x509_hash:AAAA", uri)).status_code == 422


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("", id="nothing"),
        pytest.param("hello", id="words"),
        pytest.param("KABAO1:ABCDEFGH", id="a code of ours"),
        pytest.param("openid4vp://?client_id=x", id="no request"),
        pytest.param("openid4vp://?request_uri=https%3A%2F%2Fa.example", id="no client"),
        pytest.param("openid4vp://?client_id=x&client_id=y&request_uri=https%3A%2F%2Fa.example", id="two clients"),
        pytest.param("openid4vp://?client_id=x&request=a.b.c&request_uri=https%3A%2F%2Fa.example", id="two requests"),
        pytest.param("openid4vp://?client_id=x&request_uri=https%3A%2F%2Fa.example&request_uri_method=PUT", id="another method"),
        pytest.param("openid4vp://?client_id=redirect_uri%3Ax&response_type=vp_token&dcql_query=%7B%7D", id="unsigned"),
        pytest.param("javascript:alert(1)?client_id=x&request_uri=y", id="a script"),
        pytest.param("openid4vp://?" + "&".join(f"a{place}=1" for place in range(500)), id="too many parameters"),
        pytest.param("openid4vp://?client_id=x&request_uri=" + "a" * 70_000, id="too long"),
        pytest.param("openid4vp://?client_id=%ff&request_uri=x", id="no text"),
    ],
)
def test_what_is_no_link_to_a_request_is_told_beside_the_form(holder: Holder, link: str) -> None:
    answer = open_link(holder[0], link)
    assert answer.status_code == 422
    assert 'id="fault"' in answer.text
