"""Whatever people bring goes through the one door: every form, files, and licences that are only named."""

import base64
import zlib
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import cbor2
import jwt
import pytest
import segno
from flask import current_app
from PIL import Image
from sqlalchemy import update

from idp.subjects import registry_import
from keys import cose
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.wallet.issuing.licence_contents import new_key
from tests.wallet.verifying.test_verification_batches_api import send
from tests.wallet.verifying.test_verifications_api import failed, whole
from tests.world_people import citizen_number
from tests.world_verifying import CAUSE, Counter, new_token
from tests.world_wallet import new_department
from wallet.issuing import compact, formats, status_lists
from wallet.issuing.contents import content_of
from wallet.issuing.copy_marks import Marking
from wallet.issuing.credentials import credential_of
from wallet.issuing.documents import sealed
from wallet.issuing.formats import FORMATS
from wallet.issuing.life import revoke_licence
from wallet.register.licences import Licence, china_date
from wallet.verifying import file_process

TRANSCRIPT = cbor2.dumps([None, None, ["handover", "nonce"]])
UNBOUND = {"binding": "none"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")


def made(counter: Counter, kind: str, *, holder_key: dict[str, Any] | None = None, marking: Marking | None = None) -> Any:
    """The licence in a form, with the place in the status list that its credential here has."""
    settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        content, place = content_of(session, settings, counter.licence), credential_of(session, counter.licence).place
    if kind == "compact":
        fields = ("holder_name", "licence_identifier")
        return compact.make(settings, content, fields=fields, fresh_for=timedelta(minutes=5), now=now(), place=place, marking=marking)
    if kind == "pdf":
        issuer = Text("示例市公安局", "Example Police")
        return sealed.make(settings, content, issuer=issuer, place=place, kind="a4", now=now(), marking=marking)
    return FORMATS[kind].make(settings, content, holder_key=holder_key, place=place, now=now())


def response_of(raw: bytes, key: Any, doctype: str, *, transcript: bytes = TRANSCRIPT) -> str:
    """A `DeviceResponse` as a wallet makes it."""
    names = cbor2.CBORTag(24, cbor2.dumps({}))
    signed = b"\x84" + cbor2.dumps("DeviceAuthentication") + transcript + cbor2.dumps(doctype) + cbor2.dumps(names)
    proof = cose.sign1(cose.KeySigner(key), cbor2.dumps(cbor2.CBORTag(24, signed)), is_detached=True)
    document = {"docType": doctype, "issuerSigned": cbor2.loads(raw), "deviceSigned": {"nameSpaces": names, "deviceAuth": {"deviceSignature": proof}}}
    return formats.as_text(cbor2.dumps({"version": "1.0", "documents": [document], "status": 0}))


def picture_of(text: str, kind: str = "png", *, scale: int = 4) -> str:
    """A photo of a code, in base64."""
    out = BytesIO()
    drawn = BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="png", scale=scale, border=4)
    Image.open(drawn).convert("RGB").save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("kind", ["vc+jwt", "jwt_vc_json", "compact"])
def test_a_form_that_binds_nobody_is_verified_where_no_binding_is_asked_for(counter: Counter, kind: str) -> None:
    presented = made(counter, kind)
    answer = counter.verify(presented, **UNBOUND)
    assert (answer.json["verdict"], answer.json["conclusion"], failed(answer)) == ("valid", "valid", [])
    assert answer.json["fields"]["holder_name"] == counter.person.name
    assert answer.json["licence"]["identifier"] == counter.licence.identifier
    bound = counter.verify(presented)
    assert (failed(bound), bound.json["conclusion"], bound.json["fields"]) == ([("holder_binding", "not_bound")], "not_shown_by_holder", {})


def test_a_w3c_credential_is_verified_in_a_presentation_by_its_holder(counter: Counter) -> None:
    key, jwk = new_key()
    vp = {"type": ["VerifiablePresentation"], "verifiableCredential": [made(counter, "jwt_vc_json", holder_key=jwk)]}
    bound = {"iat": int(now().timestamp()), "aud": "https://hall.example", "nonce": "n-0S6_WzA2Mj", "vp": vp}
    presented = jwt.encode(bound, key, algorithm="ES256")
    answer = counter.verify(presented, audience="https://hall.example", nonce="n-0S6_WzA2Mj")
    assert (answer.json["verdict"], failed(answer)) == ("valid", []), answer.json
    assert answer.json["fields"]["holder_name"] == counter.person.name
    assert failed(counter.verify(presented, audience="https://hall.example", nonce="n-1S6_WzA2Mj")) == [("nonce", "wrong_nonce")]
    assert failed(counter.verify(presented, nonce="n-0S6_WzA2Mj")) == [("audience", "wrong_audience")]
    unsaid = counter.verify(presented, audience="https://hall.example")
    assert (unsaid.status_code, unsaid.json["code"], unsaid.json["field"]) == (422, "occasion-missing", "nonce")
    assert failed(counter.verify(presented, **UNBOUND)) == [("holder_binding", "unexpected_binding")]


def test_a_mobile_document_is_verified_alone_or_with_its_device(counter: Counter) -> None:
    key, jwk = new_key()
    raw = made(counter, "mso_mdoc", holder_key=jwk)
    alone = counter.verify(formats.as_text(raw), **UNBOUND)
    assert (alone.json["verdict"], failed(alone)) == ("valid", [])
    doctype = cbor2.loads(cbor2.loads(cose.read_sign1(cbor2.loads(raw)["issuerAuth"]).payload or b"").value)["docType"]
    shown = response_of(raw, key, doctype)
    session_transcript = formats.as_text(TRANSCRIPT)
    assert counter.verify(shown, session_transcript=session_transcript).json["verdict"] == "valid"
    other = counter.verify(shown, session_transcript=formats.as_text(cbor2.dumps([None, None, ["handover", "another"]])))
    assert failed(other) == [("holder_binding", "bad_binding")]
    unsaid = counter.verify(shown)
    assert (unsaid.status_code, unsaid.json["code"], unsaid.json["field"]) == (422, "occasion-missing", "session_transcript")


def test_a_sealed_document_is_verified_and_one_changed_byte_is_told(counter: Counter) -> None:
    document = made(counter, "pdf")
    answer = counter.post("verifications", {"file": base64.b64encode(document).decode(), "cause": {"text": "核对"}, **UNBOUND})
    assert (answer.json["verdict"], failed(answer)) == ("valid", []), answer.json
    spoilt = document.replace(b"/MarkInfo", b"/MarkInfp", 1)
    assert spoilt != document
    answer = counter.post("verifications", {"file": base64.b64encode(spoilt).decode(), "cause": {"text": "核对"}, **UNBOUND})
    assert (failed(answer), answer.json["conclusion"]) == ([("signature", "bad_signature")], "false")


class Told:
    """A seal of which some things are told otherwise than they are."""

    def __init__(self, seal: Any, **said: Any) -> None:
        self.seal, self.said = seal, said

    def __getattr__(self, name: str) -> Any:
        return self.said[name] if name in self.said else getattr(self.seal, name)


def test_a_seal_fits_by_a_digest_that_holds_over_the_whole_document_and_nothing_but_its_own_proof_came_after(counter: Counter) -> None:
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.diff_analysis import ModificationLevel
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    (seal,) = PdfFileReader(BytesIO(made(counter, "pdf"))).embedded_signatures
    proofs, filled = (SimpleNamespace(modification_level=one) for one in (ModificationLevel.LTA_UPDATES, ModificationLevel.FORM_FILLING))
    assert all(file_process.is_intact(Told(seal, **said)) for said in ({}, {"diff_result": proofs}))
    faults: list[dict[str, Any]] = [
        {"diff_result": filled},
        {"diff_result": SimpleNamespace()},
        {"coverage": SignatureCoverageLevel.CONTIGUOUS_BLOCK_FROM_START},
        {"md_algorithm": "sha1"},
    ]
    assert [said for said in faults if file_process.is_intact(Told(seal, **said))] == []


def test_a_document_changed_after_its_seal_is_told(counter: Counter) -> None:
    from pyhanko.pdf_utils.generic import NameObject, NumberObject
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(BytesIO(made(counter, "pdf")))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page[NameObject("/Rotate")] = NumberObject(180)
    writer.mark_update(page.container_ref)
    out = BytesIO()
    writer.write(out)
    answer = counter.post("verifications", {"file": base64.b64encode(out.getvalue()).decode(), "cause": {"text": "核对"}, **UNBOUND})
    assert failed(answer) == [("signature", "bad_signature")]


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_photo_of_a_code_is_verified(counter: Counter, kind: str) -> None:
    answer = counter.post("verifications", {"file": picture_of(counter.code(), kind), "cause": {"text": "核对"}})
    assert answer.json["verdict"] == "valid"
    answer = counter.post("verifications", {"file": picture_of(made(counter, "compact"), kind), "cause": {"text": "核对"}, **UNBOUND})
    assert answer.json["verdict"] == "valid"


def bomb() -> bytes:
    """A picture of a hundred megapixels in a few kilobytes."""
    out = BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "png")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"GIF89a", "PNG", id="another kind of file"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "损坏", id="a broken picture"),
        pytest.param(b"%PDF-1.7\n%%EOF", "损坏", id="a broken document"),
        pytest.param(bomb, "过大", id="a picture that opens into too much"),
        pytest.param(lambda: base64.b64decode(picture_of("https://example.com/")), None, id="another code"),
        pytest.param(lambda: base64.b64decode(picture_of("KBL1:" + "A" * 300)), None, id="a code that opens into nothing"),
    ],
)
def test_a_file_that_holds_no_licence_is_refused_or_found_false_and_never_a_fault(counter: Counter, content: Any, why: str | None) -> None:
    raw = content() if callable(content) else content
    answer = counter.post("verifications", {"file": base64.b64encode(raw).decode(), "cause": {"text": "核对"}, **UNBOUND})
    assert answer.status_code in ((422,) if why else (201, 404, 422))
    if why:
        assert (answer.json["type"].rpartition(":")[2].rpartition("/")[2], answer.json["field"]) == ("file-unusable", "file")
        assert why in answer.text


def test_a_code_that_opens_into_too_much_is_unreadable(counter: Counter) -> None:
    from wallet.issuing import compact_text

    text = compact_text.PREFIX + compact_text.to_base45(zlib.compress(bytes(2 * 1024 * 1024), 9))
    answer = counter.verify(text, **UNBOUND)
    assert (failed(answer), answer.json["conclusion"], answer.json["licence"]) == ([("form", "malformed")], "unreadable", None)


def named(counter: Counter, **changes: Any) -> Any:
    said = {"identifier": counter.licence.identifier, "number": counter.person.number, **changes}
    return counter.post("verifications", {"licence": said, "cause": {"text": "核对"}})


def test_a_licence_that_is_named_is_looked_up_and_tells_no_field(counter: Counter) -> None:
    answer = named(counter)
    assert (answer.json["verdict"], answer.json["fields"], answer.json["licence"]["state"]) == ("valid", {}, "valid")
    assert {one["check"]: one["outcome"] for one in answer.json["checks"]}["signature"] == "not_asked"


def test_a_licence_is_known_by_its_holder_s_number_of_now_and_by_the_one_that_it_says(counter: Counter) -> None:
    old, new = counter.person.number, citizen_number()
    with transaction() as session:
        assert not registry_import.load_people(session, [{"number": new, "name": counter.person.name, "former_number": old}])
    assert {named(counter, number=number).json["verdict"] for number in (old, new)} == {"valid"}


@pytest.mark.parametrize("changes", [{"number": "379999199003070021"}, {"identifier": "1.2.156.3005.2.nothing"}], ids=["number", "identifier"])
def test_whoever_knows_half_of_it_is_told_that_it_is_unknown(counter: Counter, changes: dict[str, str]) -> None:
    answer = named(counter, **changes)
    assert (answer.json["verdict"], answer.json["conclusion"], answer.json["licence"]) == ("invalid", "unknown", None)
    assert failed(answer) == [("status", "not_registered")]


@pytest.mark.parametrize("identifier", [None, "1.2.156.3005.2.EARLIER-FORM"], ids=["of today's form", "of an earlier form"])
def test_whoever_may_not_verify_a_type_learns_no_number_by_naming_its_licences(counter: Counter, identifier: str | None) -> None:
    if identifier is not None:
        with transaction() as session:
            session.execute(update(Licence).where(Licence.id == counter.licence.id).values(identifier=f"{identifier}.{counter.licence.id}"))
        identifier = f"{identifier}.{counter.licence.id}"
    strange = replace(counter, token=new_token(counter.client, new_department(verify=["marriage-certificate"]), scopes=("verifications",)))
    said = {"identifier": identifier or counter.licence.identifier}
    lines = [{"licence": {**said, "number": number}, "cause": CAUSE} for number in (counter.person.number, "379999199003070021")]
    assert [strange.post("verifications", line).json["code"] for line in lines] == ["no-authority"] * 2
    assert [result["status"] for result in send(strange, lines, key="numbers")] == [403, 403]


def test_the_past_is_told_beside_the_present(counter: Counter) -> None:
    with transaction() as session:
        revoke_licence(session, counter.licence, department=counter.issuer, reason="伪造材料", legal_basis="行政许可法", now=now())
    answer = counter.verify(made(counter, "vc+jwt"), at=china_date(now()).isoformat(), **UNBOUND)
    assert (answer.json["conclusion"], answer.json["licence"]["state"]) == ("revoked", "revoked")
    assert answer.json["state_at"] == {"at": china_date(now()).isoformat(), "state": "revoked"}
    before = (now() - timedelta(days=3650)).isoformat()
    assert counter.verify(whole(counter), at=before, **UNBOUND).json["state_at"] == {"at": before, "state": None}
    for ahead in ((now() + timedelta(days=2)).date().isoformat(), "9999-12-31", "9999-12-31T23:59:59-12:00"):
        refused = counter.verify(whole(counter), at=ahead, **UNBOUND)
        assert (refused.status_code, refused.json["field"]) == (422, "at"), ahead


def test_a_suspended_licence_is_not_a_false_one(counter: Counter) -> None:
    with transaction() as session:
        place = credential_of(session, counter.licence).place
        status_lists.set_status(session, place, status_lists.SUSPENDED)
    assert counter.verify(made(counter, "compact"), **UNBOUND).json["conclusion"] == "suspended"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "presented", id="nothing"),
        pytest.param({"presented": "a~", "file": "AAAA", "binding": "none"}, "file", id="two things"),
        pytest.param({"file": "not base64!"}, "file", id="a file that is none"),
        pytest.param({"licence": {"identifier": "1"}}, "licence.number", id="half a name"),
        pytest.param({"presented": "x" * 300, "binding": "none"}, "presented", id="no form at all"),
        pytest.param({"presented": "a~", "binding": "none", "at": "yesterday"}, "at", id="no day"),
        pytest.param({"presented": "a~", "binding": "none", "at": "2026-13-45"}, "at", id="a day that is none"),
    ],
)
def test_a_request_that_means_nothing_is_refused_by_its_field(counter: Counter, body: dict[str, Any], field: str) -> None:
    answer = counter.post("verifications", {**body, "cause": {"text": "核对"}})
    assert answer.status_code == 422
    assert answer.json["field"] == field


def test_a_licence_whose_identifier_is_kept_back_is_not_believed_on_its_status_entry_alone(counter: Counter) -> None:
    """The register must say that the very licence is of that type and issuer; a department's key alone does not."""
    _, jwk = new_key()
    signed = cbor2.loads(made(counter, "mso_mdoc", holder_key=jwk))
    ((space, items),) = signed["nameSpaces"].items()
    kept = [one for one in items if cbor2.loads(one.value)["elementIdentifier"] != "licence_identifier"]
    answer = counter.verify(formats.as_text(cbor2.dumps({**signed, "nameSpaces": {space: kept}})), **UNBOUND)
    assert (failed(answer), answer.json["conclusion"], answer.json["fields"]) == ([("status", "identifier_kept")], "unknown", {})
