"""What is measured: a Kabao of its own, on its own durable PostgreSQL under `var/bench`, with one Granian worker and invented people."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psutil
import psycopg

from demo import postgres
from runtime import jobs
from tests.served import Kabao, Processes, kabao
from tests.world_clients import System, new_portal, new_system
from tests.world_people import Person, new_person, open_account
from tests.world_wallet import new_department, new_licence

FOLDER = Path(__file__).parent.parent / "var" / "bench"
TYPE = "driving-licence"
OTHER_TYPES = ("resident-identity-card", "marriage-certificate")
PEOPLE = 40
NAMED = "http://localhost:8000"  # the public address of the second service; passkeys do not work at an IP
SYSTEM_SCOPES = ("licences:issue", "licences:read", "verifications", "receipts")


@dataclass(frozen=True)
class Citizen:
    """Someone with an account and a licence."""

    person: Person
    subject_id: UUID
    licence_id: UUID


class Spent(NamedTuple):
    """Seconds of processor time: of the service, of PostgreSQL for those who ask the service, and of PostgreSQL for the worker behind the scenes."""

    service: float
    postgres: float
    jobs: float


@dataclass(frozen=True)
class Stand:
    """The processes, and whoever sends them requests. `named` is the service once more, at a name, where passkeys work, once it is asked for."""

    kabao: Kabao
    database: postgres.PostgresServer
    department: str
    system: System
    token: str
    portal: System
    citizens: list[Citizen]
    named: Processes

    @property
    def processes(self) -> Processes:
        """The service."""
        return self.kabao.processes

    @property
    def authorization(self) -> str:
        """The header with the system's token."""
        return f"Bearer {self.token}"

    def cpu(self) -> Spent:
        """Return the seconds of processor time that were taken so far."""
        named, behind = self.named.tree("serve") if self.named.running else [], spent(self._behind())
        postgres = family(self.database.get_pid())
        ended = postgres[0].cpu_times()  # whose processes end with their connections, and leave what they took to the first
        whole = spent(postgres) + ended.children_user + ended.children_system
        return Spent(spent([*self.processes.tree("serve"), *named]), whole - behind, behind)

    def _behind(self) -> list[psutil.Process]:
        """Return the processes of PostgreSQL that serve the worker."""
        with psycopg.connect(self.processes.database_url) as connection:
            rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [jobs.WORKER]).fetchall()
        return [psutil.Process(pid) for (pid,) in rows]

    def at_a_name(self) -> Processes:
        """Return the service at a name, started by the first who asks."""
        if not self.named.running:
            self.named.serve()
        return self.named


@contextmanager
def stand(*, environ: Mapping[str, str] | None = None) -> Iterator[Stand]:
    """Set the stand up, its processes with some settings, and take it down at the end."""
    database = postgres.start(FOLDER / "postgres")
    with kabao(database, name="bench", folder=FOLDER / "logs", threads=1, environ=environ or {}) as running:
        named = Processes(FOLDER / "logs" / "named", running.processes.database_url, threads=1, public_url=NAMED)
        try:
            yield filled(running, database, named, token=running.token)
        finally:
            named.stop()


def spent(processes: list[psutil.Process]) -> float:
    """Return the seconds of processor time that some processes have taken; one that has ended counts for nothing."""
    seconds = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def filled(running: Kabao, database: postgres.PostgresServer, named: Processes, *, token: Callable[[System, str], str]) -> Stand:
    """Invent a department, its system, a portal and citizens with licences; `token` gets the system its token."""
    with running.world():
        department = new_department(issue=[TYPE, *OTHER_TYPES], verify=[TYPE])
    with running.world() as session:
        system = new_system(session, department=department, scopes=SYSTEM_SCOPES)
        portal = new_portal(session, scopes=["openid", "profile"], owner=department, first_party=True)
        people = [new_person(session) for _ in range(PEOPLE)]
    citizens = []
    for person in people:
        with running.world() as session:
            subject_id = open_account(session, person)
            licence = new_licence(session, type=TYPE, department=department, number=person.number)
            for other in OTHER_TYPES:
                new_licence(session, type=other, department=department, number=person.number)
            citizens.append(Citizen(person, subject_id, licence.id))
    return Stand(running, database, department, system, token(system, " ".join(SYSTEM_SCOPES)), portal, citizens, named)


def family(pid: int | None) -> list[psutil.Process]:
    """Return a process and all that it started."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]
