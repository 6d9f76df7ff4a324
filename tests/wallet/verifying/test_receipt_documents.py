"""Receipts on paper: read by poppler's programs, validated by pyHanko with the root alone, scanned, and asked about by a stranger."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import zxingcpp
from flask import Flask
from PIL import Image
from pyhanko.pdf_utils.reader import PdfFileReader

from runtime.languages import Text
from runtime.merkle import leaf_of
from tests.wallet.issuing.documents.test_sealed import run, validated
from tests.wallet.verifying.test_desk_pages import BROWSER, new_officer
from tests.world_clients import bearer
from tests.world_people import sign_in
from tests.world_verifying import Counter, new_browser, new_counter
from wallet.issuing.documents.canvas import Letters
from wallet.verifying import receipt_layout
from wallet.verifying.ledger_jobs import seal_now
from wallet.verifying.outcomes import Reason
from wallet.verifying.reading import FieldLine, read_claims
from wallet.verifying.receipts import digest_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")
CAUSE = {"text": "办理机动车检验合格标志核发" * 8, "matter": "370100-GA-0021", "matter_name": "检验合格标志", "system": "车管所窗口系统"}


def taken(counter: Counter, receipt_id: str, token: str | None = None) -> Any:
    return counter.client.get(f"/api/v1/receipts/{receipt_id}/document", headers=bearer(token or counter.token))


def scanned(document: bytes, folder: Path) -> str:
    run("pdftoppm", document, folder, "-r", "150", "-png", "document.pdf", "page")
    return str(zxingcpp.read_barcodes(Image.open(next(folder.glob("page-*1.png"))))[0].text)


def test_a_receipt_is_a_sealed_pdf_with_its_proof_inside_and_a_code_that_leads_to_the_public_page(
    app: Flask, counter: Counter, tmp_path: Path
) -> None:
    receipt = counter.verify(counter.code("vehicle_class", "holder_name"), cause=CAUSE).json["receipt"]
    seal_now()
    answer = taken(counter, receipt["id"])
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.data
    assert validated(app, document).bottom_line
    read = run("pdftotext", document, tmp_path, "-raw", "document.pdf", "-").replace("\n", "").replace(" ", "")
    for expected in (receipt["id"], counter.department, "370100-GA-0021", "车管所窗口系统", "核验通过", "准驾车型", counter.licence.identifier):
        assert expected.replace(" ", "") in read, expected
    for hidden in (counter.person.name, counter.person.number, "小型汽车"):
        assert hidden not in read
    files = PdfFileReader(BytesIO(document)).root["/AF"]
    inside = {files[place]["/UF"]: files[place]["/EF"]["/F"].data for place in range(len(files))}
    assert inside["receipt.jws"].decode() == receipt["jws"]
    proof = json.loads(inside["ledger-proof.json"])
    assert proof["row"]["detail"]["receipt"] == digest_of(receipt["jws"])
    assert leaf_of(proof["row"])
    address = urlsplit(scanned(document, tmp_path))
    page = new_browser(app).get(address.path, headers=BROWSER)
    assert page.status_code == 200
    for shown in ("Genuine", receipt["id"], counter.department, "in the ledger"):
        assert shown in page.text
    for hidden in (counter.person.name, counter.licence.identifier, "办理机动车检验", "vehicle_class"):
        assert hidden not in page.text


def test_the_code_of_one_receipt_does_not_vouch_for_another(app: Flask, counter: Counter) -> None:
    one, other = (counter.verify(counter.code()).json["receipt"] for _ in range(2))
    stranger = new_browser(app)
    for path in (f"{one['id']}/{digest_of(other['jws'])}", f"{counter.holder_id}/{digest_of(one['jws'])}"):
        page = stranger.get(f"/receipts/{path}", headers=BROWSER)
        assert (page.status_code, "Not a receipt of this service" in page.text) == (200, True)
        assert counter.department not in page.text
    for path in (f"{one['id']}/short", f"7/{digest_of(one['jws'])}", f"{one['id']}/{'x' * 44}"):
        assert stranger.get(f"/receipts/{path}", headers=BROWSER).status_code == 404


def test_a_paper_is_for_the_department_whose_receipt_it_is(app: Flask, counter: Counter) -> None:
    receipt, stranger = counter.verify(counter.code()).json["receipt"], new_counter(counter.client)
    assert taken(counter, receipt["id"], stranger.token).json["code"] == "receipt-not-found"
    assert counter.client.get(f"/api/v1/receipts/{receipt['id']}/document").status_code == 401
    own, other = new_browser(app), new_browser(app)
    sign_in(own, new_officer(counter.department))
    sign_in(other, new_officer(stranger.department))
    path = f"/desk/receipts/{receipt['id']}/document"
    assert own.get(path, headers=BROWSER).data.startswith(b"%PDF-")
    assert other.get(path, headers=BROWSER).status_code == 404
    assert f'href="{path}"' in own.get(f"/desk/receipts/{receipt['id']}", headers=BROWSER).text


def test_a_long_receipt_goes_on_on_another_sheet(counter: Counter) -> None:
    receipt_id = counter.verify(counter.code()).json["receipt"]["id"]
    claims = counter.client.get(f"/api/v1/receipts/{receipt_id}", headers=bearer(counter.token)).json["claims"]
    reading = read_claims(claims)
    reading.fields.extend(FieldLine(Text(f"很长的项目名称{number}", f"A field with a long name {number}"), None) for number in range(99))
    canvas = receipt_layout.draw(receipt_layout.Paper(reading, "https://example.org/receipts/1/2", None))
    assert len(canvas.pages) == 2


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_why_it_was_not_verified_stands_whole_under_the_verdict(counter: Counter, reason: Reason) -> None:
    receipt_id = counter.verify(counter.code()).json["receipt"]["id"]
    claims = counter.client.get(f"/api/v1/receipts/{receipt_id}", headers=bearer(counter.token)).json["claims"]
    reading = read_claims({**claims, "verdict": "invalid", "checks": {}, "reasons": {"status": reason.value}})
    (page,) = receipt_layout.draw(receipt_layout.Paper(reading, "https://example.org/receipts/1/2", None)).pages
    assert reading.why is not None
    assert reading.why.en.replace(" ", "") in "".join(one.text for one in page.operators if isinstance(one, Letters)).replace(" ", "")
