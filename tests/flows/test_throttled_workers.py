"""The throttle over several real processes: what one worker counts the other knows, and the owner of an account is never shut out."""

import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from demo import postgres
from idp.signin.doors import ACCOUNT, PAIR
from tests.served import Answer, Connection, Kabao, kabao, send
from tests.world_people import PASSWORD, Person, csrf_token, new_person, open_account

GUESSES, AT_ONCE = 400, 8
COUNTED = re.compile(r'^kabao_throttle_total\{bucket="(\w+)",door="signin",outcome="refused"\} ([0-9.]+)$', re.MULTILINE)


class Caller:
    """A browser at an address of its own, as the proxy in front of us tells it."""

    def __init__(self, connection: Connection, address: str) -> None:
        self.connection, self.address = connection, address
        self.cookies: dict[str, str] = {}

    def send(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Accept": "text/html", "X-Forwarded-For": self.address, "X-Forwarded-Host": "127.0.0.1:8000", "Cookie": cookies}
        body = urlencode(form) if form is not None else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        self.connection.request(method, path, body=body, headers={**kind, **headers})
        response = self.connection.getresponse()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                self.cookies |= {cookie: morsel.value for cookie, morsel in SimpleCookie(value).items()}
        return Answer(response.status, {}, response.read())

    def sign_in(self, person: Person, password: str) -> int:
        token = csrf_token(self.send("GET", "/signin").text)
        return self.send("POST", "/signin", {"csrf_token": token, "number": person.number, "password": password}).status


@pytest.fixture(scope="module")
def running(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kabao]:
    folder, behind = tmp_path_factory.mktemp("throttled"), {"KABAO_TRUSTED_PROXIES": "1"}
    with kabao(server, name="test_throttled", folder=folder, worker=False, workers=2, threads=1, environ=behind) as running:
        yield running


@pytest.fixture
def person(running: Kabao) -> Person:
    with running.world() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def test_tries_are_counted_over_all_workers(running: Kabao, person: Person) -> None:
    answers = []
    for _ in range(PAIR.size + 2):  # each on a connection of its own, so that both workers get some
        with running.processes.connection() as connection:
            answers.append(Caller(connection, "198.51.100.9").sign_in(person, "not this one"))
    assert answers == [422] * PAIR.size + [429] * 2


@pytest.mark.slow
def test_hundreds_guess_at_once_from_everywhere_and_the_owner_gets_in_at_once(running: Kabao, person: Person) -> None:
    with running.processes.connection() as connection:
        owner = Caller(connection, "203.0.113.5")
        assert owner.sign_in(person, PASSWORD) == 303
    addresses = (f"10.{n // 250}.{n % 250}.7" for n in itertools.count())
    heard: Counter[int] = Counter()
    lock, went = threading.Lock(), time.monotonic()

    def guess() -> None:
        with running.processes.connection() as connection:
            caller = Caller(connection, "10.255.0.1")
            token = csrf_token(caller.send("GET", "/signin").text)
            for _ in range(GUESSES // AT_ONCE):
                with lock:
                    caller.address = next(addresses)
                answer = caller.send("POST", "/signin", {"csrf_token": token, "number": person.number, "password": "not this one"})
                with lock:
                    heard[answer.status] += 1

    threads = [threading.Thread(target=guess) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    with running.processes.connection() as connection:  # in the midst of it
        owner.connection = connection
        assert owner.sign_in(person, PASSWORD) == 303
    for thread in threads:
        thread.join()
    assert set(heard) == {422, 429}
    # The owner's right password empties the bucket of the account once; one try leaks out every twenty seconds.
    leaked = int((time.monotonic() - went) / ACCOUNT.leak.total_seconds()) + 1
    assert ACCOUNT.size <= heard[422] <= 2 * (ACCOUNT.size + leaked)
    with running.processes.connection() as connection:
        owner.connection = connection
        assert owner.sign_in(person, PASSWORD) == 303
        owner.address = "203.0.113.99"  # a known browser is the owner's wherever it is
        assert owner.sign_in(person, PASSWORD) == 303
        counted = dict(COUNTED.findall(send(connection, "GET", "/metrics").text))
    assert float(counted["account"]) >= heard[429] / 2


def test_an_address_that_a_stranger_writes_into_the_header_is_not_believed(running: Kabao, person: Person) -> None:
    """Of several addresses the last counts: the one that our own proxy wrote."""
    answers = []
    with running.processes.connection() as connection:
        for number in range(PAIR.size + 2):
            answers.append(Caller(connection, f"192.0.2.{number}, 198.51.100.44").sign_in(person, "not this one"))  # noqa: PERF401
    assert answers == [422] * PAIR.size + [429] * 2
