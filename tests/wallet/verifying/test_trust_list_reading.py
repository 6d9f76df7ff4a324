"""What refuses another province's list: each case is a right list, but for one thing. And the servers that it may come from."""

import copy
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from keys import certificates, ring
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.rough_servers import Behaviour, answering, listening
from tests.wallet.verifying.presented import NOW, YEAR, certificate, encode, root, sign
from tests.wallet.verifying.shown import DOCTYPE, TIME, Mdoc, moment
from tests.world_verifying import TYPE as DRIVING
from tests.world_verifying import Counter
from tests.world_wallet import new_department
from wallet.issuing import formats
from wallet.issuing.trust_list_words import EXTENSION, GRANTED, SERVICE, WITHDRAWN
from wallet.register.catalogue import get_type
from wallet.verifying import trust_list_reading, trust_sources
from wallet.verifying.listed import Granted, Listed
from wallet.verifying.trust_list_jobs import fetch_trust_list
from wallet.verifying.trust_list_reading import ListRefused, Source, read_list
from wallet.verifying.trust_sources import SourceRefused

OWN, THERE, CODE = "https://kabao.example", "https://elsewhere.example", "11379999MB1A0002X8"
TYPE, VCT = "11379999MB1A0001X0001", f"{THERE}/types/driving-licence"
ISSUER = f"{THERE}/departments/{CODE}"
SIGNER = certificate(subject="list signer", uri=f"{THERE}/jwks/trust-list", begins=NOW - YEAR, ends=NOW + 9 * YEAR)
LISTED = certificate(subject="leaf", uri=ISSUER)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOURCE = Source("虚构省", root(), frozenset({TYPE}), OWN)


def written(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def state(status: str = GRANTED, since: Any = NOW - 100 * DAY) -> dict[str, Any]:
    names = [{"lang": "zh", "value": "签发"}]
    identity = {"X509Certificates": [{"val": encode(LISTED)}]}
    return {
        "ServiceName": names,
        "ServiceTypeIdentifier": SERVICE,
        "ServiceDigitalIdentity": identity,
        "ServiceStatus": status,
        "StatusStartingTime": written(since),
    }


def entity() -> dict[str, Any]:
    extension = {EXTENSION: {"vct": VCT, "licence_type": TYPE, "doctype": "x", "ended": {}}}
    return {
        "TrustedEntityInformation": {
            "TEName": [{"lang": "zh", "value": "虚构市局"}],
            "TETradeName": [{"lang": "en", "value": f"GOVCN-{CODE}"}],
            "TEInformationURI": [{"lang": "zh", "uriValue": ISSUER}],
        },
        "TrustedEntityServices": [{"ServiceInformation": {**state(), "ServiceInformationExtensions": [extension]}}],
    }


def right(at: Any = NOW, sequence: int = 7) -> dict[str, Any]:
    about = {"LoTEVersionIdentifier": 1, "LoTESequenceNumber": sequence, "ListIssueDateTime": written(at), "NextUpdate": written(at + 7 * DAY)}
    return {"LoTE": {"ListAndSchemeInformation": about, "TrustedEntitiesList": [entity()]}}


def token(payload: Any, *, by: str = "list signer", **header: Any) -> bytes:
    return sign(payload, by, {"typ": "JOSE", "x5c": [encode(SIGNER)], **header}).encode()


def changed(*path: Any, value: Any = None, drop: bool = False) -> bytes:
    """The right list with one member changed or dropped."""
    payload = copy.deepcopy(right())
    place = payload["LoTE"]
    for step in path[:-1]:
        place = place[step]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return token(payload)


ABOUT, ENTITIES = "ListAndSchemeInformation", "TrustedEntitiesList"
SERVICE_PATH = (ENTITIES, 0, "TrustedEntityServices", 0, "ServiceInformation")
STRANGER = certificate(subject="list signer", issuer="stranger")


def another(**different: Any) -> dict[str, Any]:
    """A second entity."""
    one = entity()
    one["TrustedEntityInformation"]["TEInformationURI"][0]["uriValue"] = different.get("uri", f"{THERE}/departments/other")
    return one


def history(*states: dict[str, Any]) -> bytes:
    payload = right()
    payload["LoTE"][ENTITIES][0]["TrustedEntityServices"][0]["ServiceHistory"] = list(states)
    return token(payload)


def entities(*given: Any) -> bytes:
    payload = right()
    payload["LoTE"][ENTITIES] = list(given)
    return token(payload)


def signed_by_listed() -> bytes:
    payload = right()
    return sign(payload, "leaf", {"typ": "JOSE", "x5c": [encode(LISTED)]}).encode()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not of the shape"),
    "no token": (lambda: b"list", "not of the shape"),
    "not ASCII": (lambda: "名单".encode(), "not of the shape"),
    "cut short": (lambda: token(right())[:-200], "signature does not fit"),
    "huge": (lambda: b"a" * (trust_list_reading.MOST_BYTES + 1), "too large"),
    "another signature": (lambda: token(right(), by="stranger"), "signature does not fit"),
    "no algorithm": (lambda: token(right(), alg="none"), "signature does not fit"),
    "a symmetric algorithm": (lambda: token(right(), alg="HS256"), "signature does not fit"),
    "another kind of token": (lambda: token(right(), typ="JWT"), "another kind"),
    "something critical": (lambda: token(right(), crit=["b64"]), "no certificate of its signer"),
    "no certificate": (lambda: token(right(), x5c=[]), "no certificate of its signer"),
    "another root": (lambda: token(right(), x5c=[encode(STRANGER)]), "not under the root"),
    "the root along": (lambda: token(right(), x5c=[encode(SIGNER), encode(root())]), "not under the root"),
    "one of the listed has signed": (signed_by_listed, "one of those whom the list names"),
    "a payload that is a list": (lambda: token([]), "not of the shape"),
    "no list": (lambda: token({}), "not of the shape"),
    "from the future": (lambda: token(right(NOW + HOUR)), "from the future"),
    "past its time": (lambda: token(right(NOW - 8 * DAY)), "past its time"),
    "lasts too long": (lambda: changed(ABOUT, "NextUpdate", value=written(NOW + 2 * YEAR)), "lasts too long"),
    "ends before it begins": (lambda: changed(ABOUT, "NextUpdate", value=written(NOW - DAY)), "lasts too long"),
    "no next update": (lambda: changed(ABOUT, "NextUpdate", drop=True), "not of the shape"),
    "a time without a zone": (lambda: changed(ABOUT, "ListIssueDateTime", value="2026-05-04T12:00:00"), "no zone"),
    "a number that is text": (lambda: changed(ABOUT, "LoTESequenceNumber", value="7"), "sequence number"),
    "a number that is true": (lambda: changed(ABOUT, "LoTESequenceNumber", value=True), "sequence number"),
    "a number below one": (lambda: changed(ABOUT, "LoTESequenceNumber", value=0), "sequence number"),
    "no entities": (lambda: changed(ENTITIES, drop=True), "not of the shape"),
    "entities that are none": (lambda: changed(ENTITIES, value={}), "longer than any list"),
    "too many entities": (lambda: changed(ENTITIES, value=[0] * (trust_list_reading.MOST_ENTITIES + 1)), "longer than any list"),
    "an issuer twice": (lambda: entities(entity(), entity()), "an issuer twice"),
    "a certificate of two issuers": (lambda: entities(entity(), another()), "one certificate to two"),
    "one of our departments": (lambda: entities(another(uri=f"{OWN}/departments/{CODE}")), "our own departments"),
    "a type of ours": (
        lambda: changed(*SERVICE_PATH, "ServiceInformationExtensions", 0, EXTENSION, "vct", value=f"{OWN}/types/driving-licence"),
        "a type of ours",
    ),
    "a certificate that is none": (lambda: changed(*SERVICE_PATH, "ServiceDigitalIdentity", "X509Certificates", 0, "val", value="AAAA"), "shape"),
    "a certificate of an authority": (
        lambda: changed(*SERVICE_PATH, "ServiceDigitalIdentity", "X509Certificates", 0, "val", value=encode(certificate(ca=True))),
        "may not sign",
    ),
    "a certificate that signed itself": (
        lambda: changed(*SERVICE_PATH, "ServiceDigitalIdentity", "X509Certificates", 0, "val", value=encode(certificate(issuer="leaf"))),
        "may not sign",
    ),
    "a state that is none": (lambda: changed(*SERVICE_PATH, "ServiceStatus", value="maybe"), "out of order"),
    "a history out of order": (lambda: history(state(WITHDRAWN, NOW - DAY)), "out of order"),
    "a name that is too long": (
        lambda: changed(ENTITIES, 0, "TrustedEntityInformation", "TEName", 0, "value", value="名" * 501),
        "a text is none",
    ),
    "a name that commands a terminal": (
        lambda: changed(ENTITIES, 0, "TrustedEntityInformation", "TEName", 0, "value", value="\x1b[2J"),
        "a text is none",
    ),
}


@pytest.mark.parametrize(("make", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_list_that_is_odd_is_refused_whole(make: Callable[[], bytes], why: str) -> None:
    with pytest.raises(ListRefused, match=why):
        read_list(make(), SOURCE, now=NOW)


def test_the_right_list_is_read() -> None:
    read = read_list(token(right()), SOURCE, now=NOW)
    (listed,) = read.listed.values()
    assert (listed.uri, listed.code, listed.province, listed.name["zh"]) == (ISSUER, CODE, "虚构省", "虚构市局")
    assert (read.sequence, read.ignored) == (7, 0)
    assert listed.is_granted(VCT, NOW.timestamp())
    assert not listed.is_granted(VCT, (NOW - 102 * DAY).timestamp())
    assert not listed.is_granted(f"{THERE}/types/other", NOW.timestamp())


def test_a_type_that_was_not_granted_here_is_left_out() -> None:
    read = read_list(token(right()), Source("虚构省", root(), frozenset(), OWN), now=NOW)
    assert read.ignored == 1
    assert all(not listed.grants for listed in read.listed.values())


def test_a_history_is_read_as_the_times_in_which_it_was_granted() -> None:
    payload = right()
    services = payload["LoTE"][ENTITIES][0]["TrustedEntityServices"][0]
    services["ServiceInformation"]["StatusStartingTime"] = written(NOW - 10 * DAY)
    services["ServiceHistory"] = [state(WITHDRAWN, NOW - 20 * DAY), state(GRANTED, NOW - 30 * DAY)]
    (listed,) = read_list(token(payload), SOURCE, now=NOW).listed.values()
    granted = {days: listed.is_granted(VCT, (NOW - days * DAY).timestamp()) for days in (1, 15, 25, 40)}
    assert granted == {1: True, 15: False, 25: True, 40: False}


def test_what_was_granted_and_withdrawn_within_one_second_is_believed_for_that_second() -> None:
    payload = right()
    service = payload["LoTE"][ENTITIES][0]["TrustedEntityServices"][0]
    service["ServiceInformation"] |= {"ServiceStatus": WITHDRAWN, "StatusStartingTime": written(NOW)}
    service["ServiceHistory"] = [state(GRANTED, NOW)]
    (listed,) = read_list(token(payload), SOURCE, now=NOW).listed.values()
    assert listed.is_granted(VCT, NOW.timestamp())
    assert not listed.is_granted(VCT, NOW.timestamp() + 1)


def test_a_certificate_that_was_revoked_ends_there() -> None:
    from keys.paths import fingerprint_of

    payload = right()
    extension = payload["LoTE"][ENTITIES][0]["TrustedEntityServices"][0]["ServiceInformation"]["ServiceInformationExtensions"][0][EXTENSION]
    extension["ended"] = {fingerprint_of(LISTED): written(NOW - DAY)}
    (listed,) = read_list(token(payload), SOURCE, now=NOW).listed.values()
    assert listed.held_at((NOW - 2 * DAY).timestamp())
    assert not listed.held_at(NOW.timestamp())


def test_somebody_else_under_the_same_root_cannot_take_the_list_over() -> None:
    source = Source("虚构省", root(), frozenset({TYPE}), OWN, signer="CN=somebody else")
    with pytest.raises(ListRefused, match="somebody else"):
        read_list(token(right()), source, now=NOW)


# Where lists come from


LIVE_ROOT = certificate(subject="live root", issuer="live root", uri=None, ca=True, signs=False, begins=NOW - YEAR, ends=NOW + 60 * YEAR)
LIVE = certificate(subject="list signer", issuer="live root", uri=f"{THERE}/x", begins=NOW - YEAR, ends=NOW + 59 * YEAR)


def live(sequence: int = 7, **about: Any) -> bytes:
    payload = right(now() - HOUR, sequence)
    payload["LoTE"][ABOUT].update(about)
    return token(payload, x5c=[encode(LIVE)])


def served(body: bytes, *, head: bytes = b"HTTP/1.1 200 OK", kind: bytes = b"application/jose") -> Behaviour:
    return answering(head + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)


def naming(certificate: x509.Certificate, *, uri: str = ISSUER, **told: str) -> bytes:
    """A list of today that names one certificate, for one issuer."""
    payload = right(now() - HOUR)
    one = another(uri=uri)
    one["TrustedEntityInformation"]["TETradeName"] = []
    service = one["TrustedEntityServices"][0]["ServiceInformation"]
    service["ServiceDigitalIdentity"] = {"X509Certificates": [{"val": encode(certificate)}]}
    service["ServiceInformationExtensions"][0][EXTENSION] |= told
    payload["LoTE"][ENTITIES] = [one]
    return token(payload, x5c=[encode(LIVE)])


def add(settings: Settings, *, url: str | None = None, given: bytes | None = None, name: str = "there", code: str = TYPE) -> None:
    pem = LIVE_ROOT.public_bytes(Encoding.PEM)
    with transaction() as session:
        trust_sources.add(session, settings, name=name, province="虚构省", url=url, given=given, root=pem, types=[code], now=now())


@pytest.fixture
def there(context: None, settings: Settings) -> Any:
    """A list that is believed, and its removal."""
    add(settings, given=live())
    yield "there"
    with transaction() as session:
        trust_sources.remove(session, "there", now=now())


def stalls(connection: Any) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\n\r\n")
    for _ in range(40):
        connection.sendall(b"a")
        time.sleep(0.1)


ROUGH: dict[str, tuple[Behaviour, str]] = {
    "an error": (served(b"no", head=b"HTTP/1.1 500 No"), "an error"),
    "a redirect": (answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/other\r\nContent-Length: 0\r\n\r\n"), "a redirect"),
    "a page": (served(b"<html>", kind=b"text/html"), "content type"),
    "cut short": (answering(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nContent-Length: 900\r\n\r\nabc"), "no answer"),
    "too much": (served(b"a" * (trust_list_reading.MOST_BYTES + 10)), "no answer"),
    "not HTTP": (answering(b"hello"), "no answer"),
    "slow": (stalls, "no answer"),
    "no list": (served(b"abc"), "not of the shape"),
    "a list that has gone back": (served(live(6)), "goes back"),
    "two lists of one number": (served(live(7, LoTEType="urn:other")), "goes back"),
    "a list past its time": (served(live(9, NextUpdate=written(now() - timedelta(minutes=1)))), "past its time"),
}


@pytest.mark.parametrize(("behave", "why"), ROUGH.values(), ids=ROUGH.keys())
def test_what_a_rough_server_sends_changes_nothing(app: Flask, there: str, behave: Behaviour, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_sources, "TIMEOUT", 1.0)
    with listening(behave) as port:
        with transaction() as session:
            trust_sources.get_source(session, there).url = f"http://127.0.0.1:{port}/"
        fetch_trust_list(there)
    with transaction() as session:
        row = trust_sources.get_source(session, there)
        assert why in (row.fault or "")
        assert (row.sequence, row.state_at(now())) == (7, "unavailable")


def test_a_newer_list_takes_the_place_of_the_last_and_mends_its_fault(app: Flask, there: str) -> None:
    with transaction() as session:
        trust_sources.get_source(session, there).fault = "before"
    with listening(served(live(8))) as port:
        with transaction() as session:
            trust_sources.get_source(session, there).url = f"http://127.0.0.1:{port}/"
        fetch_trust_list(there)
    with transaction() as session:
        row = trust_sources.get_source(session, there)
        assert (row.sequence, row.fault, row.state_at(now())) == (8, None, "good")


def test_a_list_is_fetched_again_after_an_hour(there: str) -> None:
    with transaction() as session:
        trust_sources.get_source(session, there).url = "http://127.0.0.1:9/"
    with transaction() as session:
        assert trust_sources.due(session, now=now()) == []
        assert trust_sources.due(session, now=now() + HOUR) == [there]


def test_two_lists_cannot_speak_for_one_issuer(settings: Settings, there: str) -> None:
    with pytest.raises(SourceRefused, match="another list"):
        add(settings, given=live(), name="second")
    with pytest.raises(SourceRefused, match="another list"):
        add(settings, given=naming(LISTED, uri=f"{THERE}/departments/other"), name="second")


def test_no_list_can_name_a_certificate_of_ours(context: None, settings: Settings) -> None:
    """Anyone has our certificates: a list that gave one to somebody else would have our own licences be another's, and so nobody's."""
    ours = ring.signer(certificates.department_use(new_department())).certificates[0]
    with pytest.raises(SourceRefused, match="own departments"):
        add(settings, given=naming(ours), name="second")


def test_a_mobile_document_of_a_signer_without_a_name_is_the_listed_issuer_s(counter: Counter, settings: Settings) -> None:
    signer, kind = certificate(uri=None, constrained=False, ends=NOW + 59 * YEAR), get_type(DRIVING)
    add(settings, given=naming(signer, licence_type=kind.code, doctype=DOCTYPE), name="nameless", code=kind.code)
    at = now().timestamp() - TIME
    lives = {"signed": moment(at - 60), "validFrom": moment(at - 60), "validUntil": moment(at + 3600)}
    shown = Mdoc(chain=[signer], mso={"status": None}, validity=lives).issuer_signed()
    answer = counter.verify(formats.as_text(cbor2.dumps(shown)), binding="none").json
    with transaction() as session:
        trust_sources.remove(session, "nameless", now=now())
    assert (answer["verdict"], answer["checks"][-1]["reason"]) == ("valid", "short_lived")
    issuer = answer["licence"]["issuer"]
    assert (issuer["province"], issuer["name"]["zh"], answer["fields"]["holder_name"]) == ("虚构省", "虚构市局", "欧阳试")


@pytest.mark.parametrize("name", ["there", "Upper", "", "a" * 33, "x y"])
def test_a_name_that_is_taken_or_none_is_refused(settings: Settings, there: str, name: str) -> None:
    with pytest.raises(SourceRefused, match="a name"):
        add(settings, given=live(), name=name)


@pytest.mark.parametrize("pem", [b"", b"root", LIVE.public_bytes(Encoding.PEM)], ids=["empty", "text", "a leaf"])
def test_a_root_that_is_none_is_refused(context: None, settings: Settings, pem: bytes) -> None:
    with transaction() as session, pytest.raises(SourceRefused, match="root"):
        trust_sources.add(session, settings, name="x", province="虚构省", url=None, given=live(), root=pem, types=[], now=now())


def test_an_inner_address_is_not_asked_in_production(context: None, settings: Settings) -> None:
    from dataclasses import replace

    with pytest.raises(SourceRefused, match="may not be asked"):
        add(replace(settings, development=False), url="https://127.0.0.1:9/trust-list", name="inner")


def test_what_was_signed_in_the_second_of_a_withdrawal_was_signed_before_it() -> None:
    listed = Listed("https://a.example", "A", {}, "示例省", 0.0, 2e9, 2e9, {VCT: Granted("driving-licence", ((1e9, 1e9 + 100),))})
    assert [listed.is_granted(VCT, 1e9 + after) for after in (99, 100, 101)] == [True, True, False]
