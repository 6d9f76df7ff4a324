"""`kabao demo`: everything on one machine, from an empty folder to a city that works."""

import base64
import fcntl
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import psutil
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from demo import data, people, postgres
from demo.processes import ROOT, NotStarted, Processes, check_port
from keys.sealing import SealBroken
from runtime.settings import MASTER_KEY_BYTES, Settings

FOLDER = ROOT / "var" / "demo"
FORGET = "`make clean` forgets the demo and its data; then run `make demo` again."
console = Console(stderr=True)


@click.command()
@click.option("--port", default=8000, show_default=True, help="The service's port; the portals take the two after it.")
@click.option("--forget", is_flag=True, help="Stop a demo that runs and delete its data.")
def demo(port: int, forget: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Start the demonstration and keep it running until Ctrl-C."""
    if forget:
        _forget()
        return
    processes = Processes(FOLDER / "logs")
    try:
        with _alone():
            for each in (port, port + 1, port + 2):
                check_port(each)
            _stand(processes, port)
            _print_welcome(port)
            _watch(processes)
    except NotStarted as error:
        raise click.ClickException(str(error)) from error
    finally:
        processes.stop()


def settings_for(port: int, database_url: str, folder: Path = FOLDER) -> Settings:
    """Return the demonstration's settings; its master key is made once and kept beside its data."""
    file = folder / "master.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(base64.urlsafe_b64encode(os.urandom(MASTER_KEY_BYTES)).decode())
    return Settings.from_environ(environ_for(port, database_url, file.read_text().strip()))


def environ_for(port: int, database_url: str, master_key: str) -> dict[str, str]:
    """Return the environment of the demonstration's processes."""
    return {
        "KABAO_ENVIRONMENT": "development",
        "KABAO_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "KABAO_DATABASE_URL": database_url,
        "KABAO_MASTER_KEY": master_key,
    }


def _stand(processes: Processes, port: int) -> None:
    with console.status("Starting PostgreSQL ..."):
        database_url = _database()
        settings = settings_for(port, database_url)
    try:
        data.load(settings, folder=FOLDER, console=console)
    except SealBroken as error:
        raise NotStarted(f"The data under {FOLDER} was sealed under another master key. {FORGET}") from error
    environ = environ_for(port, database_url, base64.urlsafe_b64encode(settings.master_key).decode())
    with console.status("Starting the service, the worker and the portals ..."):
        processes.start("service", "-m", "wsgi", "serve", "--port", str(port), environ=environ)
        processes.start("worker", "-m", "wsgi", "worker", environ=environ)
        for offset, portal in enumerate(data.PORTALS, 1):
            processes.start(
                portal.client_id,
                "examples/portal/app.py",
                environ=data.portal_environ(portal, port=port + offset, service=settings.public_url, folder=FOLDER),
            )
        processes.wait_until_answering("service", f"http://127.0.0.1:{port}/readyz")
        for offset, portal in enumerate(data.PORTALS, 1):
            processes.wait_until_answering(portal.client_id, f"http://127.0.0.1:{port + offset}/")


def _database() -> str:
    try:
        return postgres.create_database(postgres.start(FOLDER / "postgres"), "kabao")
    except (OSError, RuntimeError, subprocess.SubprocessError, AssertionError) as error:
        raise NotStarted(f"The database under {FOLDER / 'postgres'} could not be started ({type(error).__name__}). {FORGET}") from error


@contextmanager
def _alone() -> Iterator[None]:
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        lock = (FOLDER / "lock").open("w")
    except OSError as error:
        raise NotStarted(f"{FOLDER} cannot be written ({error.strerror}): free the disk, or correct its owner.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotStarted("The demo runs already, in another terminal. Open http://127.0.0.1:8000, or stop it there with Ctrl-C.") from error
        yield


def _watch(processes: Processes) -> None:
    stopped = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    while not stopped.wait(0.5):
        processes.check_alive()
    console.print("Stopping ...")


def _forget() -> None:
    for process in psutil.process_iter(["cmdline"]):
        if str(FOLDER / "postgres") in (process.info["cmdline"] or []):
            process.send_signal(signal.SIGINT)
            process.wait(10)
    shutil.rmtree(FOLDER, ignore_errors=True)
    console.print("The demo and its data are forgotten.")


def _print_welcome(port: int) -> None:
    table = Table(box=None, show_header=True, header_style="bold")
    for title in ("who 谁", "number 号", "password 密码", "is 身份"):
        table.add_column(title, no_wrap=title.startswith("number"))
    for person in people.CAST:
        table.add_row(person.name, person.number, people.PASSWORD, person.role)
    newcomer = people.crowd()[-1]
    table.add_row(newcomer.name, newcomer.number, "choose one 自设", "has no account yet: register them")
    console.print(Panel(table, title="Kabao 卡包", subtitle="Ctrl-C stops everything; the data stays"))
    here = "http://127.0.0.1"
    for address, what in (
        (f"{here}:{port}", "the wallet 卡包: sign in as 林晓月, open a card, show it"),
        (f"{here}:{port + 1}", "citizen service hall 市民办事大厅: sign in once ..."),
        (f"{here}:{port + 2}", "enterprise hall 企业办事大厅: ... and you are in here, too (周海峰 acts for his restaurant)"),
        (f"{here}:{port}/desk", "the officer's desk 核验窗口: as 孙立新, verify the code that 林晓月 shows"),
        (f"{here}:{port}/api/docs", "the API, to be tried"),
    ):
        console.print(f"  [bold]{address:<34}[/] {what}")
    console.print(f"\n  In another terminal: [bold]make tour[/] walks the whole journey.   Logs: {(FOLDER / 'logs').relative_to(ROOT)}/")
