"""One number, one account: two hundred browsers register the same person at the same moment, over HTTP, before several worker processes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest

from demo import postgres
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from tests.flows.at_once import at_once
from tests.flows.walking import Browser
from tests.served import Answer, Kabao, kabao
from tests.world_people import BROWSER, PASSWORD, Person, csrf_token, new_person, sign_in

MANY = 200
EXISTS = "该号码已经开通账号"
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Rush:
    """What came of a rush: the answers, and the rows about the person."""

    kabao: Kabao
    person: Person
    answers: list[Answer]

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def subject_id(self) -> UUID:
        with self.kabao.world() as session:
            subject = directory.find_subject(session, parse_number(self.person.number))
            assert subject is not None
            return subject.id

    def count(self, query: str) -> int:
        with psycopg.connect(self.kabao.processes.database_url) as connection:
            found = connection.execute(query, {"subject": self.subject_id()}).fetchone()
        assert found is not None
        return int(found[0])


@pytest.fixture(scope="module", params=["track", "enforce"])
def rush(request: pytest.FixtureRequest, server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rush]:
    """The rush, once with the throttle counting only, so that all two hundred are heard, and once as it is in earnest."""
    environ = {"KABAO_THROTTLE": request.param}
    folder = tmp_path_factory.mktemp("registrations")
    with kabao(server, name=f"registrations_{request.param}", folder=folder, worker=False, workers=3, threads=3, environ=environ) as running:
        with running.world() as session:
            person = new_person(session)
        yield Rush(running, person, at_once(running.processes, "POST", "/account/new", forms(running, person)))


def forms(running: Kabao, person: Person) -> list[Mapping[str, object]]:
    """Return two hundred filled-in forms, each of a browser of its own."""
    filled: list[Mapping[str, object]] = []
    for _ in range(MANY):
        browser = Browser(f"http://127.0.0.1:{running.processes.port}")
        token = csrf_token(browser.get("/account/new", headers=BROWSER).text)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
        form = {"csrf_token": token, "number": person.number, "name": person.name, "password": PASSWORD}
        filled.append({"form": form, "headers": {**BROWSER, "Cookie": cookies}})
        browser.close()
    return filled


def test_one_of_two_hundred_opens_the_account(rush: Rush) -> None:
    assert rush.statuses[303] == 1
    assert set(rush.statuses) <= {303, 409, 429}
    assert rush.statuses[409] + rush.statuses[429] == MANY - 1
    assert all(EXISTS in answer.text for answer in rush.answers if answer.status == 409)


def test_all_were_heard_where_the_throttle_only_counts(rush: Rush) -> None:
    enforced = rush.kabao.processes.environ["KABAO_THROTTLE"] == "enforce"
    assert (rush.statuses[429] > 0) is enforced


def test_there_is_one_subject_with_one_account_and_one_session(rush: Rush) -> None:
    assert rush.count("SELECT count(*) FROM subjects") == 1
    assert rush.count("SELECT count(*) FROM accounts WHERE subject_id = %(subject)s") == 1
    assert rush.count("SELECT count(*) FROM signin_sessions WHERE subject_id = %(subject)s") == 1
    for act in ("subject.added", "account.opened", "session.begun"):
        assert rush.count(f"SELECT count(*) FROM ledger_entries WHERE subject_id = %(subject)s AND act = '{act}'") == 1, act  # noqa: S608


def test_the_owner_signs_in_after_the_rush(rush: Rush) -> None:
    browser = Browser(f"http://127.0.0.1:{rush.kabao.processes.port}")
    assert sign_in(browser, rush.person).status_code == 303  # type: ignore[arg-type]
