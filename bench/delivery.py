"""`python -m bench.delivery`: how long after an act a webhook has heard of it, and the published status list says so, with a real worker.

Each act begins once the one before has arrived, at a random moment. Time runs from when the act is sent, so it holds the act itself: it
is a little more than from its commit. The webhook is a server in this process; the list is asked for over HTTP and its token is read. PostgreSQL is
one of its own: any long transaction of a cluster holds events back (`runtime.events`), another benchmark's, too.
"""

import base64
import random
import time
import zlib
from collections.abc import Callable
from statistics import median
from typing import Any
from uuid import UUID

import click
import jwt
from rich.console import Console
from rich.table import Table

from bench.acts import WHY
from bench.stand import FOLDER, TYPE
from demo import postgres
from tests.batch_sending import peak_memory
from tests.served import Answer, Connection, Kabao, kabao, send
from tests.wallet.issuing.hooks import Hook, hook
from tests.world_clients import new_system
from tests.world_people import new_person, open_account
from tests.world_wallet import new_department, new_licence
from wallet.issuing.credentials import credential_of
from wallet.issuing.status_lists import Place

NAME = "bench_delivery"
KINDS = ["licence.suspended", "licence.resumed"]
STATUSES = {"suspension": 2, "resumption": 0}
LONGEST, PAUSE = 30.0, 0.005
MIB = 1024 * 1024


@click.command()
@click.option("--acts", default=50, show_default=True, type=click.IntRange(2, 1000), help="How many acts are waited for.")
def main(acts: int) -> None:
    """Measure how soon acts are heard of."""
    server, progress = postgres.start(FOLDER / "postgres-alone"), Console(stderr=True)
    try:
        with (
            progress.status("Setting the stand up ...") as status,
            hook() as heard,
            kabao(server, name=NAME, folder=FOLDER / "logs" / "delivery", threads=2) as running,
        ):
            stand = _Stand(running, heard)
            waits = []
            for number in range(acts):
                status.update(f"Act {number + 1} of {acts} ...")
                waits.append(stand.act(tuple(STATUSES)[number % 2]))
                time.sleep(random.random() / 2)
            peaks = {name: max(peak_memory(one.pid) for one in running.processes.tree(name)) / MIB for name in ("serve", "worker")}
    finally:
        server.psql(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    console = Console(width=120)
    console.print(_table(waits))
    console.print(f"The service has had {peaks['serve']:.0f} MiB at most, the worker {peaks['worker']:.0f} MiB.")


class _Stand:
    """A licence, the department that acts on it, and another that supervises and has a webhook."""

    def __init__(self, running: Kabao, heard: Hook) -> None:
        self.heard, self.connection = heard, running.processes.connection()
        with running.world():
            issuer, watcher = new_department(issue=[TYPE]), new_department(supervise=[TYPE])
        with running.world() as session:
            system = new_system(session, department=issuer, scopes=["licences:issue"])
            listener = new_system(session, department=watcher, scopes=["events"])
            person = new_person(session)
            open_account(session, person)
        self.licence_id, self.place = _issue(running, issuer, person.number)
        self.token, listening = running.token(system, "licences:issue"), running.token(listener, "events")
        made = self._post("webhooks", {"url": heard.url, "events": KINDS}, listening)
        assert made.status == 201, made.text

    def act(self, path: str) -> tuple[float, float, float]:
        """Act, and return after how many seconds it was answered, the webhook had heard, and the list said so."""
        before, begun = len(self.heard.heard), time.monotonic()
        answer = self._post(f"licences/{self.licence_id}/{path}", WHY, self.token)
        assert answer.status == 201, answer.text
        answered = time.monotonic() - begun
        waits = {"webhook": lambda: len(self.heard.heard) > before, "list": lambda: self._says(STATUSES[path])}
        arrived = _wait(waits, begun)
        return answered, arrived["webhook"], arrived["list"]

    def _says(self, status: int) -> bool:
        answer = send(self.connection, "GET", f"/status/{self.place.list_id}", headers={"Accept": "application/statuslist+jwt"})
        return _status_in(answer, self.place.index) == status

    def _post(self, path: str, document: Any, token: str) -> Answer:
        connection: Connection = self.connection
        return send(connection, "POST", f"/api/v1/{path}", document=document, headers={"Authorization": f"Bearer {token}"})


def _issue(running: Kabao, issuer: str, number: str) -> tuple[UUID, Place]:
    with running.world() as session:
        licence = new_licence(session, type=TYPE, department=issuer, number=number)
        session.flush()
        return licence.id, credential_of(session, licence).place


def _wait(waits: dict[str, Callable[[], bool]], begun: float) -> dict[str, float]:
    arrived: dict[str, float] = {}
    while len(arrived) < len(waits):
        for name, has_arrived in waits.items():
            if name not in arrived and has_arrived():
                arrived[name] = time.monotonic() - begun
        if time.monotonic() - begun > LONGEST:
            raise click.ClickException(f"after {LONGEST:.0f} s only {sorted(arrived)} arrived")
        time.sleep(PAUSE)
    return arrived


def _status_in(answer: Answer, index: int) -> int:
    """Return what a token says of a place."""
    claim: dict[str, Any] = jwt.decode(answer.text, options={"verify_signature": False})["status_list"]
    packed, bits = zlib.decompress(base64.urlsafe_b64decode(claim["lst"] + "==")), int(claim["bits"])
    each = 8 // bits
    return packed[index // each] >> (index % each * bits) & ((1 << bits) - 1)


def _table(waits: list[tuple[float, float, float]]) -> Table:
    table = Table("what", "median", "19 of 20", "longest", title=f"seconds after {len(waits)} acts were sent", title_justify="left")
    for what, found in zip(("answered", "the webhook has heard", "the status list says so"), zip(*waits, strict=True), strict=True):
        each = sorted(found)
        table.add_row(what, *(f"{one:.2f}" for one in (median(each), each[int(0.95 * (len(each) - 1))], each[-1])))
    return table


if __name__ == "__main__":
    main()
