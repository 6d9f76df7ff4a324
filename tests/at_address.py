"""A Kabao that listens where its public address says: for clients that follow the addresses they are given."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import postgres
from keys.init import init_keys
from runtime.clock import now
from runtime.settings import Settings
from tests import schema
from tests.served import MASTER_KEY, Kabao, Processes, _world
from wsgi import create_app


class AddressedProcesses(Processes):
    """The service and the worker, told their own address, by the name or number of this machine that `host` is."""

    host = "127.0.0.1"

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "KABAO_PUBLIC_URL": self.url}


class AddressedKabao(Kabao):
    """The processes, and the same application beside them to invent a world with."""

    processes: AddressedProcesses

    @property
    def url(self) -> str:
        """The public address."""
        return self.processes.url


@contextmanager
def kabao_at_address(server: postgres.PostgresServer, *, name: str, folder: Path, host: str = AddressedProcesses.host) -> Iterator[AddressedKabao]:
    """Make a fresh database with its first keys, and serve it until the end of the block, its worker running."""
    database_url = schema.create(server, name)
    processes = AddressedProcesses(folder, database_url)
    processes.host = host
    settings = Settings(database_url=database_url, master_key=MASTER_KEY, development=True, public_url=processes.url)
    app = create_app(settings)
    with _world(app) as session:
        init_keys(session, settings, now=now())
    try:
        processes.serve()
        processes.work()
        yield AddressedKabao(processes, app)
    finally:
        processes.stop()
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()
