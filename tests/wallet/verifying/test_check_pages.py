"""The public page: genuine or not, type, issuer, state, nothing else; and a code is not spent by it."""

import base64
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from keys import holder_keys
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.verifying.test_one_door import made, picture_of
from tests.world_people import BROWSER, csrf_token
from tests.world_verifying import CAUSE, Counter
from tests.world_wallet import new_department, new_licence
from wallet.holding.uses import uses_of
from wallet.issuing import credentials
from wallet.issuing.credentials import credential_of
from wallet.issuing.life import act_on, revoke_licence
from wallet.issuing.requests import ActRequest
from wallet.presenting import qr_codes
from wallet.register.acts import Act
from wallet.verifying import files

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")


def ask(counter: Counter, text: str = "", file: bytes | None = None) -> Any:
    form: dict[str, Any] = {"shown": text, "csrf_token": csrf_token(counter.client.get("/check", headers=BROWSER).text)}
    if file is not None:
        form["file"] = (BytesIO(file), "shown.bin")
    return counter.client.post("/check", data=form, content_type="multipart/form-data", headers=BROWSER)


def test_a_code_is_told_genuine_and_stays_good_for_its_counter(counter: Counter) -> None:
    code = counter.code("holder_name", "vehicle_class")
    for _ in range(2):
        page = ask(counter, code)
        assert page.status_code == 200, page.text
        assert "verdict--valid" in page.text
        assert "机动车驾驶证" in page.text
    assert counter.person.name not in page.text
    assert counter.licence.identifier not in page.text
    with transaction() as session:
        assert list(uses_of(session, holder_id=counter.holder_id)) == []
    assert counter.verify(code).json["verdict"] == "valid"
    assert ask(counter, code).status_code == 409


def test_files_and_forged_ones_are_told_apart(counter: Counter) -> None:
    text = made(counter, "compact")
    assert "verdict--valid" in ask(counter, file=base64.b64decode(picture_of(text))).text
    assert "verdict--valid" in ask(counter, file=made(counter, "pdf")).text
    assert "verdict--invalid" in ask(counter, made(counter, "vc+jwt")[:-6] + "AAAAAA").text


def test_strangers_files_are_read_one_by_one_so_that_a_crowd_of_them_keeps_no_department_from_its_own(counter: Counter) -> None:
    picture = picture_of(made(counter, "compact"))
    with files._free_for_strangers:
        assert ask(counter, file=base64.b64decode(picture)).status_code == 429
        own = counter.post("verifications", {"file": picture, "cause": CAUSE, "binding": "none"})
        assert own.json["verdict"] == "valid"
    assert "verdict--valid" in ask(counter, file=base64.b64decode(picture)).text


@pytest.mark.parametrize(("text", "status"), [("", 422), ("nothing of ours", 404), ("x" * 300, 422)], ids=["nothing", "no code", "no form"])
def test_what_is_no_licence_is_said_to_be_none(counter: Counter, text: str, status: int) -> None:
    assert ask(counter, text).status_code == status


def test_each_licence_that_a_code_stands_for_is_told(app: Flask, counter: Counter) -> None:
    with transaction() as session:
        other = new_licence(session, type="degree-certificate", department=new_department(issue=["degree-certificate"]), number=counter.person.number)
        also = {other.id: ["major"]}
        code = qr_codes.create(session, holder_id=counter.holder_id, licence_id=counter.licence.id, fields=[], also=also, now=now()).content
    with transaction() as session:
        revoke_licence(session, other, department=other.issuer_code, reason="伪造材料", legal_basis="行政许可法", now=now())
    page = ask(counter, code).text
    told = [one.split("</h2>")[0].rsplit(">", 1)[1] for one in page.split('class="verdict__word"')[1:]]
    assert told == ["属实，现行有效", "已吊销"]
    assert page.count('role="status"') == 2


@pytest.mark.parametrize(("act", "word"), [(Act.CANCEL, "已注销"), (Act.LAPSE, "已失效"), (Act.ANNUL, "已撤销"), (Act.REVOKE, "已吊销")], ids=str)
def test_a_licence_that_is_over_is_called_what_it_is(counter: Counter, act: Act, word: str) -> None:
    code, settings = counter.code(), counter.client.application.extensions["kabao_settings"]
    with transaction() as session:
        act_on(session, settings, counter.licence, ActRequest(act, "本人申请", "行政许可法"), department=counter.issuer, now=now())
    assert f">{word}</h2>" in ask(counter, code).text


def test_what_was_shown_to_somebody_else_is_not_called_false(counter: Counter) -> None:
    """With the holder's binding to another it is genuine, but not for whoever asks here."""
    with transaction() as session:
        credential = credential_of(session, counter.licence)
        text = credentials.text_of(credential)
        bound = holder_keys.sign(credential.holder_key_sealed, {"aud": "https://x.example"}, credential_id=credential.id, typ="kb+jwt")
    page = ask(counter, text + bound).text
    assert "出示给他人的内容" in page
    assert "不属实" not in page.split('id="verdict"')[1].split("</section>")[0]
    assert 'class="verdict verdict--unknown"' in page, "nor drawn as something false"


def test_what_is_wrong_with_a_file_is_said_beside_the_file_and_a_verdict_is_not_scrolled_away(counter: Counter) -> None:
    refused = ask(counter, file=b"%PDF-1.7 nothing of the kind").text
    assert 'id="file-error"' in refused
    assert 'id="shown-error"' not in refused
    assert 'id="shown-error"' in ask(counter, "nothing of ours").text
    assert "autofocus" in counter.client.get("/check", headers=BROWSER).text
    assert "autofocus" not in ask(counter, counter.code("vehicle_class")).text, "the keyboard of a telephone would cover what was found"
