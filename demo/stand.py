"""`kabao demo`: everything on one machine, from an empty folder to a city that works."""

import base64
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import psycopg
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from demo import data, people, postgres
from demo.messages import Messages
from demo.processes import ROOT, NotStarted, Processes, check_port
from keys.sealing import SealBroken
from runtime.settings import MASTER_KEY_BYTES, Settings, SettingsError

VAR = ROOT / "var"
PORTAL = ROOT / "examples" / "portal" / "app.py"
PORT = 8000
HOST = "localhost"  # a name, since no browser makes a passkey for an IP address
FORGET = "`make clean` forgets the demo and its data; then run `make demo` again."
console = Console(stderr=True, soft_wrap=True, highlight=False)


@click.command()
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(1024, 65533), help="The service's port; the portals take the two after it."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where the data is kept; if not given, under var, for each port its own.")
@click.option("--shell", is_flag=True, help="Open a shell in which every `kabao` command works on the demonstration's data.")
@click.option("--forget", is_flag=True, help="Delete the data (if no folder is given: every demo's) and stop the databases that were left running.")
def demo(port: int, folder: Path | None, shell: bool, forget: bool) -> None:  # noqa: FBT001 - flags of the command line
    """Start the demonstration and keep it running until Ctrl-C."""
    if forget:
        _forget(folder.resolve() if folder else None)
        return
    folder = (folder or folder_for(port)).resolve()
    if shell:
        _open_shell(port, folder)
        return
    processes = Processes(folder / "logs")
    _end_in_order()
    try:
        with _alone(folder):
            if not PORTAL.exists():
                raise NotStarted("The demonstration needs the whole source tree: clone the repository, and run `make demo` there.")
            for each in (port, port + 1, port + 2):
                check_port(each)
            messages = Messages(folder / "logs" / "worker.log")
            messages.skip()
            _stand(processes, port, folder)
            _print_welcome(port, folder)
            while True:
                processes.check_alive()
                messages.show(console)
                time.sleep(0.5)
    except NotStarted as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("Stopping ...")
    finally:
        processes.stop()


def folder_for(port: int) -> Path:
    """Return where a demonstration keeps its data if it is not told: what it issues names its address, so each address has its own."""
    return VAR / f"demo-{HOST}-{port}"


def settings_for(port: int, database_url: str, folder: Path) -> Settings:
    """Return the demonstration's settings; its master key is made once and kept beside its data."""
    file = folder / "master.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(base64.urlsafe_b64encode(os.urandom(MASTER_KEY_BYTES)))
    return Settings.from_environ(environ_for(port, database_url, file.read_text("ascii").strip()))


def environ_for(port: int, database_url: str, master_key: str) -> dict[str, str]:
    """Return the environment of the demonstration's processes."""
    return {
        "KABAO_ENVIRONMENT": "development",
        "KABAO_PUBLIC_URL": f"http://{HOST}:{port}",
        "KABAO_DATABASE_URL": database_url,
        "KABAO_MASTER_KEY": master_key,
        "KABAO_ANONYMOUS_WALLET_CLIENT": data.ANONYMOUS_WALLET,
    }


def _stand(processes: Processes, port: int, folder: Path) -> None:
    with console.status("Starting PostgreSQL ..."):
        database_url = _database(folder)
    try:
        settings = settings_for(port, database_url, folder)
        data.load(settings, folder=folder, console=console)
    except (SealBroken, SettingsError) as error:
        raise NotStarted(f"The data under {folder} was sealed under another master key than {folder / 'master.key'}. {FORGET}") from error
    except (OSError, SQLAlchemyError) as error:
        raise NotStarted(f"The data under {folder} is not whole ({_what(error)}). {FORGET}") from error
    environ = environ_for(port, database_url, (folder / "master.key").read_text("ascii").strip())
    with console.status("Starting the service, the worker and the portals ..."):
        processes.start("service", "-m", "wsgi", "serve", "--port", str(port), environ=environ)
        processes.start("worker", "-m", "wsgi", "worker", environ=environ)
        for offset, portal in enumerate(data.PORTALS, 1):
            portal_environ = data.portal_environ(portal, port=port + offset, service=settings.public_url, folder=folder)
            processes.start(portal.client_id, str(PORTAL), environ=portal_environ)
        processes.wait_until_answering("service", f"http://{HOST}:{port}/readyz")
        for offset, portal in enumerate(data.PORTALS, 1):
            processes.wait_until_answering(portal.client_id, f"{data.home_of(port + offset)}/")


def _database(folder: Path) -> str:
    try:
        return postgres.create_database(postgres.start(folder / "postgres"), "kabao")
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError, AssertionError, psycopg.Error) as error:
        where = folder / "postgres"
        why = f"could not be started ({_what(error)}); see {where / 'log'}"
        raise NotStarted(f"The database under {where} {why}. If trying again does not help: {FORGET}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise NotStarted(f"{folder} cannot be written ({error.strerror}): free the disk, or correct its owner.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotStarted("The demo runs already, in another terminal. Open its pages, or stop it there with Ctrl-C.") from error
        yield


def _end_in_order() -> None:
    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _open_shell(port: int, folder: Path) -> None:
    key = folder / "master.key"
    if not key.exists():
        raise click.ClickException(f"There is no demonstration under {folder} yet: run `make demo` first.")
    try:
        database_url = _database(folder)
    except NotStarted as error:
        raise click.ClickException(str(error)) from error
    environ = {**os.environ, **environ_for(port, database_url, key.read_text("ascii").strip())}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    console.print(
        f"In this shell every [bold]kabao[/] command works on the demonstration at {environ['KABAO_PUBLIC_URL']}: try [bold]kabao --help[/]."
    )
    console.print("[bold]exit[/] leaves it.")
    raise SystemExit(subprocess.run([environ.get("SHELL") or "/bin/sh"], env=environ, check=False).returncode)


def _what(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return type(error).__name__


def _forget(folder: Path | None) -> None:
    try:
        for each in [folder] if folder else sorted(VAR.glob("demo*")):
            with _alone(each):
                postgres.stop_under(each)
                shutil.rmtree(each)
        if folder is None:
            postgres.stop_under(VAR)
    except NotStarted as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or VAR} cannot be deleted ({_what(error)}): correct its owner, or delete it yourself."
        ) from error
    console.print("The demo and its data are forgotten.")


def _print_welcome(port: int, folder: Path) -> None:
    here = f"http://{HOST}"
    newcomer = people.crowd()[-1]
    console.print(f"\n[bold]Kabao 卡包 is running.[/]  Everyone's password 密码: [bold]{people.PASSWORD}[/]\n")
    for person in people.CAST:
        console.print(f"  {person.name}  [bold]{person.number}[/]  {person.role}")
    child = people.CHILD
    console.print(f"  {child.name}  [bold]{child.number}[/]  {child.role}")
    console.print(f"  {newcomer.name}  [bold]{newcomer.number}[/]  has no account yet: register them with a password of your own")
    console.print(f"  [dim]where they live, which a recovery by the registry asks for: {newcomer.address}[/]\n")
    for address, what in (
        (f"{here}:{port}", f"the wallet 卡包: sign in as {people.LIN.name}, open a card, show it"),
        (data.home_of(port + 1), "citizen service hall 市民办事大厅: sign in here ..."),
        (data.home_of(port + 2), f"enterprise hall 企业办事大厅: ... and you are in here too; {people.ZHOU.name} acts for his restaurant"),
        (f"{here}:{port}/desk", f"the officer's desk 核验窗口: as {people.SUN.name}, type the code that {people.LIN.name} shows"),
        (
            f"{here}:{port}/desk/licences",
            f"the issuing desk 证照办理: as {people.ZHENG.name}, issue a driving licence; a second factor is added on the way",
        ),
        (
            f"{here}:{port}/admin",
            f"the operators' console 运维控制台: as {people.SUN.name}; a second factor is added on the way",
        ),
        (f"{here}:{port}/device", "where a code is typed that a terminal shows 终端授权码"),
        (f"{here}:{port}/api/docs", "the API, to be tried"),
    ):
        console.print(f"  [bold]{address:<31}[/] {what}")
    where = "" if port == PORT else f" PORT={port}"
    console.print(
        f"\nIn another terminal, [bold]make tour{where}[/] walks the whole journey, and [bold]make shell{where}[/] is for `kabao` commands."
    )
    console.print("Mail and SMS do not leave unless you set a sender: what they would say, codes and links with them, is shown here as it comes.")
    console.print(f"Ctrl-C stops everything; the data stays. Logs: {folder / 'logs'}")
