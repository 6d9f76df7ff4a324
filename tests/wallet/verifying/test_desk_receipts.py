"""The desk by picture, an officer's own receipts and their figures, and what a camera's frames are answered."""

import base64
import re
import threading
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import event

from runtime.clock import now
from runtime.database import engine, transaction
from tests.wallet.verifying.test_desk_pages import BROWSER, new_officer
from tests.wallet.verifying.test_one_door import made, picture_of
from tests.world_people import come_in, csrf_token, sign_in
from tests.world_verifying import TYPE, Counter, new_browser
from wallet.register.catalogue import get_type
from wallet.register.licences import china_date
from wallet.verifying import files
from wallet.verifying.desk_receipts import DAYS, count_own

SPENT = "KABAO1:" + "A" * 32


@pytest.fixture
def desk(counter: Counter) -> FlaskClient:
    """A browser in which an officer of the counter's department is signed in."""
    return come_in(new_browser(counter.client.application), new_officer(counter.department))


def photo(text: str) -> bytes:
    return base64.b64decode(picture_of(text))


def post(desk: FlaskClient, path: str = "/desk", **form: Any) -> Any:
    sent = {name: (BytesIO(value), f"{name}.png") if isinstance(value, bytes) else value for name, value in form.items()}
    token = csrf_token(desk.get("/desk", headers=BROWSER).text)
    return desk.post(path, data={"csrf_token": token, **sent}, content_type="multipart/form-data", headers=BROWSER)


def test_a_picture_is_verified_at_the_desk(counter: Counter, desk: FlaskClient) -> None:
    answer = post(desk, presented="", cause="看照片", file=photo(counter.code("holder_name")))
    assert answer.status_code == 303
    page = desk.get(answer.location, headers=BROWSER).text
    assert 'data-verdict="valid"' in page
    assert counter.person.name in page


def test_a_sealed_document_is_verified_at_the_desk(counter: Counter, desk: FlaskClient) -> None:
    answer = post(desk, presented="", cause="看文件", file=made(counter, "pdf"))
    assert 'data-verdict="valid"' in desk.get(answer.location, headers=BROWSER).text


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no picture": ({"presented": "", "file": b"GIF89a"}, 422, "Give a PDF, PNG or JPEG."),
    "a picture of nothing": ({"presented": "", "file": photo("x")[:60]}, 422, "The file is broken"),
    "a code that nobody has": ({"presented": "", "file": photo(SPENT)}, 404, "There is no such code"),
    "both": ({"presented": SPENT, "file": photo(SPENT)}, 422, "Leave just one"),
    "neither": ({"presented": " "}, 422, "choose a picture"),
}


@pytest.mark.parametrize(("form", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_what_was_refused_is_said_beside_the_picture(desk: FlaskClient, form: dict[str, Any], status: int, said: str) -> None:
    answer = post(desk, cause="办证", **form)
    assert answer.status_code == status
    assert said in answer.text
    assert 'value="办证"' in answer.text


def test_the_page_of_a_verdict_is_ready_for_the_next_holder_with_the_same_cause(counter: Counter, desk: FlaskClient) -> None:
    first = desk.get(post(desk, presented=counter.code(), cause="年检").location, headers=BROWSER).text
    assert re.search(r'<input[^>]*id="presented"', first)
    assert re.search(r'id="cause"[^>]*value="年检"', first)
    request_id = re.search(r'name="request_id"[^>]*value="([^"]+)"', first)
    assert request_id is not None
    second = post(desk, presented=counter.code(), cause="年检", request_id=request_id[1])
    assert 'data-verdict="valid"' in desk.get(second.location, headers=BROWSER).text


def test_another_officer_s_cause_is_not_the_next_one(counter: Counter, desk: FlaskClient) -> None:
    location = post(desk, presented=counter.code(), cause="同事的事由").location
    colleague = new_browser(counter.client.application)
    sign_in(colleague, new_officer(counter.department))
    assert 'value="同事的事由"' not in colleague.get(location, headers=BROWSER).text


def test_own_receipts_are_found_by_day_type_and_verdict(counter: Counter, desk: FlaskClient) -> None:
    for presented, cause in ((counter.code(), "第一次"), ("x~", "第二次")):
        assert post(desk, presented=presented, cause=cause).status_code == 303
    today, code = china_date(now()).isoformat(), get_type(TYPE).code
    for query, shown in (
        ("", {"第一次", "第二次"}),
        ("?verdict=valid", {"第一次"}),
        ("?verdict=invalid", {"第二次"}),
        (f"?type={code}", {"第一次"}),
        ("?type=marriage-certificate", set()),
        ("?since=2020-01-01&until=2020-12-31", set()),
        ("?since=2020-01-01", {"第一次", "第二次"}),
        (f"?until={today}&verdict=&type=", {"第一次", "第二次"}),
        ("?until=2999-12-31", {"第一次", "第二次"}),
    ):
        page = desk.get(f"/desk/receipts{query}", headers=BROWSER).text
        assert {one for one in ("第一次", "第二次") if one in page} == shown, query
    colleague = new_browser(counter.client.application)
    sign_in(colleague, new_officer(counter.department))
    assert "There is no such receipt" in colleague.get("/desk/receipts", headers=BROWSER).text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "Give the day"),
        ("until=2026-02-30", "Give the day"),
        ("since=0001-01-01", "Give the day"),
        ("until=9999-12-31", "Give the day"),
        ("since=2026-02-02&until=2026-02-01", "later than the last"),
    ],
)
def test_a_day_that_is_none_is_said_beside_it(desk: FlaskClient, query: str, said: str) -> None:
    answer = desk.get(f"/desk/receipts?{query}", headers=BROWSER)
    assert (answer.status_code, said in answer.text) == (422, True)


@pytest.mark.parametrize("query", ["after=x", "type=nothing", "verdict=other", "after=&type=&verdict=", "after=" + "0" * 32])
def test_what_nothing_is_found_by_does_no_harm(desk: FlaskClient, query: str) -> None:
    assert desk.get(f"/desk/receipts?{query}", headers=BROWSER).status_code == 200


def test_a_list_goes_on_where_its_page_ends(counter: Counter, desk: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.verifying.desk_receipts.PAGE", 2)
    for cause in ("甲", "乙", "丙"):
        post(desk, presented="x~", cause=f"事由{cause}")
    first = desk.get("/desk/receipts?verdict=invalid", headers=BROWSER).text
    following = re.search(r'id="more" href="([^"]+)"', first)
    assert following is not None
    second = desk.get(following[1].replace("&amp;", "&"), headers=BROWSER).text
    assert ["事由丙" in first, "事由乙" in first, "事由甲" in first] == [True, True, False]
    assert ["事由丙" in second, "事由乙" in second, "事由甲" in second] == [False, False, True]
    assert 'id="more"' not in second


def test_own_figures_are_of_the_officer_alone_and_cost_one_statement(counter: Counter, desk: FlaskClient) -> None:
    assert "Nothing was verified" in desk.get("/desk/receipts/statistics", headers=BROWSER).text
    for present in (counter.code, counter.code, lambda: "x~"):
        assert post(desk, presented=present(), cause="统计").status_code == 303
    page = desk.get("/desk/receipts/statistics", headers=BROWSER).text
    assert "In the last thirty days: 3 in all, 2 verified." in page
    assert "plot__bar--bad" in page
    assert str(get_type(TYPE).name.en) in page
    assert "Not recognised" in page
    colleague = new_browser(counter.client.application)
    sign_in(colleague, new_officer(counter.department))
    assert "Nothing was verified" in colleague.get("/desk/receipts/statistics", headers=BROWSER).text
    sent: list[str] = []
    event.listen(engine(), "before_cursor_execute", hear := lambda *about: sent.append(about[2]))
    try:
        with transaction() as session:
            figures = count_own(session, counter.holder_id, department=counter.department, now=now())
    finally:
        event.remove(engine(), "before_cursor_execute", hear)
    assert (len(sent), len(figures.days), figures.total) == (1, DAYS, 0)


@pytest.mark.parametrize("path", ["/desk/receipts", "/desk/receipts/statistics"])
def test_the_lists_are_for_officers(counter: Counter, path: str) -> None:
    assert new_browser(counter.client.application).get(path, headers=BROWSER).status_code == 303


def test_a_frame_is_read_and_verified_by_nobody(counter: Counter, desk: FlaskClient) -> None:
    code = counter.code()
    assert post(desk, "/desk/frames", frame=photo(code)).json == {"text": code}
    empty = BytesIO()

    Image.new("L", (200, 200), 255).save(empty, "png")
    answer = post(desk, "/desk/frames", frame=empty.getvalue())
    assert (answer.status_code, answer.json, answer.headers["Cache-Control"]) == (200, {"text": None}, "no-store")
    assert counter.verify(code).json["verdict"] == "valid"


FRAMES: dict[str, tuple[dict[str, Any], int]] = {
    "none": ({}, 422),
    "no picture": ({"frame": b"%PDF-1.7"}, 422),
    "a broken one": ({"frame": b"\x89PNG\r\n\x1a\n"}, 422),
    "too large a one": ({"frame": b"\x89PNG\r\n\x1a\n" + bytes(files.MOST_FRAME + 1)}, 422),
    "far too large a one": ({"frame": bytes(files.MOST_FRAME + 64 * 1024)}, 413),
}


@pytest.mark.parametrize(("form", "status"), FRAMES.values(), ids=FRAMES)
def test_a_frame_that_is_none_is_refused(desk: FlaskClient, form: dict[str, Any], status: int) -> None:
    token = csrf_token(desk.get("/desk", headers=BROWSER).text)
    sent = {name: (BytesIO(value), "frame") for name, value in form.items()}
    headers = {"X-CSRFToken": token, "Accept": "application/json"}
    answer = desk.post("/desk/frames", data=sent, content_type="multipart/form-data", headers=headers)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_a_frame_without_its_form_s_token_is_refused(desk: FlaskClient) -> None:
    answer = desk.post("/desk/frames", data={"frame": (BytesIO(b"x"), "x")}, content_type="multipart/form-data")
    assert answer.status_code == 400


def test_one_camera_is_read_at_a_time_and_leaves_others_their_files(counter: Counter, desk: FlaskClient) -> None:
    lock: threading.Semaphore = files._free_for_frames
    assert lock.acquire(blocking=False)
    try:
        answer = post(desk, "/desk/frames", frame=photo(counter.code()))
        assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)
        assert post(desk, presented="", cause="看照片", file=photo(counter.code())).status_code == 303
    finally:
        lock.release()


def test_frames_are_for_officers(counter: Counter) -> None:
    answer = new_browser(counter.client.application).post(
        "/desk/frames", data={"frame": (BytesIO(b"x"), "x")}, headers={"Accept": "application/json"}
    )
    assert answer.status_code in (303, 401)
