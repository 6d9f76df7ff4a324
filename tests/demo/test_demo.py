"""The demonstration as a newcomer runs it: from an empty folder, twice, and when something is in the way."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from demo.data import home_of
from demo.postgres import PostgresServer, create_database
from demo.stand import environ_for, folder_for

ROOT = Path(__file__).parents[2]
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("KABAO_")}
PATIENCE = 240


def kabao(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wsgi", *arguments]


def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(kabao(*arguments), cwd=ROOT, env=ENVIRON, input=typed, capture_output=True, text=True, timeout=PATIENCE)


def three_free_ports() -> int:
    """Return the first of three neighbouring ports that nothing listens on, below those from which connections outwards take theirs."""
    for first in range(20_000 + os.getpid() % 12_000, 32_700, 3):
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            try:
                for offset, each in enumerate((one, two, three)):
                    each.bind(("127.0.0.1", first + offset))
            except OSError:
                continue
            return first
    raise AssertionError("no three ports are free")


def is_free(port: int) -> bool:
    """Whether a server may have the port: one that is ending listens no more, and holds it while its last connections last."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def mandates(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    """List an organisation's mandates in the shell of a demonstration, which is then left with 7."""
    typed = f"{sys.executable} -m wsgi mandate list 91379999MA3F0X7Q3P\nexit 7\n"
    return run("demo", "--shell", "--folder", str(folder), "--port", str(port), typed=typed)


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)


def family_of(folder: Path) -> list[psutil.Process]:
    """Return what the demonstration in a folder has started, but for PostgreSQL."""
    (demo,) = (one for one in psutil.Process().children() if str(folder) in one.cmdline())
    return [one for one in demo.children(recursive=True) if one.name() != "postgres"]


def postgres_of(folder: Path) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cmdline"]) if str(folder / "postgres") in (process.info["cmdline"] or [])]


@contextmanager
def running(folder: Path, port: int, *, end: signal.Signals = signal.SIGINT) -> Iterator[str]:
    """Run the demonstration until the block ends, then press Ctrl-C (or end it otherwise); yields what it printed."""
    with subprocess.Popen(
        kabao("demo", "--folder", str(folder), "--port", str(port)), cwd=ROOT, env=ENVIRON, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        printed = ""
        try:
            for line in process.stderr:
                printed += line
                if "Ctrl-C stops everything" in line:
                    break
            assert process.poll() is None, printed
            yield printed
        finally:
            process.send_signal(end)
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("demo") / "my data 卡包"  # whatever it is called
    yield path
    assert run("demo", "--forget", "--folder", str(path)).returncode == 0
    assert not path.exists()


@pytest.fixture(scope="module")
def first_port() -> int:
    return three_free_ports()


@pytest.mark.slow
def test_from_an_empty_folder_the_whole_journey_runs_and_again_with_its_data_kept(folder: Path, first_port: int) -> None:
    with running(folder, first_port) as printed:
        for address in (f":{first_port}", f":{first_port + 1}", f":{first_port + 2}", "379999199005180121"):
            assert address in printed
        tour = run("tour", "--url", f"http://localhost:{first_port}", "--folder", str(folder))
        assert tour.returncode == 0, tour.stdout + tour.stderr
        assert len(re.findall("✓", tour.stdout)) == 8
        shell = mandates(folder, first_port)
        assert shell.returncode == 7, shell.stderr
        assert "379***********0519" in shell.stdout
        second = run("demo", "--folder", str(folder), "--port", str(three_free_ports()))
        assert second.returncode == 1
        assert "runs already" in second.stderr
    for offset in range(3):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{first_port + offset}/", timeout=2)
    with running(folder, first_port):
        assert mandates(folder, first_port).stdout == shell.stdout, "the data is there already"
        assert run("tour", "--url", f"http://localhost:{first_port}", "--folder", str(folder)).returncode == 0


def test_the_demo_stands_at_a_name_where_passkeys_work_and_each_port_keeps_data_of_its_own() -> None:
    assert environ_for(9000, "postgresql://db", "key")["KABAO_PUBLIC_URL"] == "http://localhost:9000"
    assert folder_for(8000) != folder_for(9000)
    assert home_of(9001) == "http://127.0.0.1:9001", "no client may be sent back to a name that a resolver may lead elsewhere"


@pytest.mark.slow
def test_a_demo_that_was_killed_leaves_nothing_behind_and_starts_again(folder: Path, first_port: int) -> None:
    with running(folder, first_port, end=signal.SIGKILL):
        assert postgres_of(folder)
        family = family_of(folder)
    _, left = psutil.wait_procs(family, timeout=60)  # one that was still starting listens once more before it ends
    assert not left
    until(lambda: all(is_free(first_port + offset) for offset in range(3)), "the service or a portal outlives the demo")
    with running(folder, first_port):
        pass
    until(lambda: not postgres_of(folder), "PostgreSQL outlives the demo")


def test_a_shell_of_no_demo_says_how_to_start_one(tmp_path: Path) -> None:
    done = run("demo", "--shell", "--folder", str(tmp_path / "nothing"))
    assert done.returncode == 1
    assert "make demo" in done.stderr
    assert not (tmp_path / "nothing").exists()


def test_forgetting_a_demo_that_runs_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("demo", "--forget", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "runs already" in done.stderr
    assert (tmp_path / "lock").exists()


def test_a_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("demo", "--folder", str(tmp_path / "data"), "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr
    assert "make demo PORT=" in done.stderr


def test_data_that_postgresql_cannot_read_is_said_with_what_to_do(tmp_path: Path) -> None:
    postgres = tmp_path / "data" / "postgres"
    postgres.mkdir(parents=True)
    (postgres / "PG_VERSION").write_text("18")
    done = run("demo", "--folder", str(tmp_path / "data"), "--port", str(three_free_ports()))
    assert done.returncode == 1
    assert "make clean" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_programs_number_in_postgresqls_mark_is_no_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("marked") / "postgres"
    script = "import sys; from pathlib import Path; from demo import postgres; postgres.create_database(postgres.start(Path(sys.argv[1])), 'x')"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", script, str(folder)], cwd=ROOT, env=ENVIRON, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        (folder / "postmaster.pid").write_text("1\n/elsewhere\n1\n5432\n/elsewhere\n\n 1 1\nready\n")


def test_two_that_start_the_same_server_for_the_first_time_both_reach_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("first") / "postgres"
    script = "import sys; from pathlib import Path; from demo import postgres; postgres.start(Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(folder)]
    both = [subprocess.Popen(command, cwd=ROOT, env=ENVIRON, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [each.communicate(timeout=PATIENCE)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said


def test_a_folder_that_is_a_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("demo", "--folder", str(tmp_path / "file" / "data"), "--port", str(three_free_ports()))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_a_tour_of_nothing_says_how_to_start_it(tmp_path: Path) -> None:
    done = run("tour", "--url", f"http://127.0.0.1:{three_free_ports()}", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "make demo" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_command_line_helps_before_there_are_any_settings() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("init", "serve", "worker", "demo", "tour", "migrate", "keys", "registry", "department", "client", "licence-type", "verify"):
        assert f"  {name} " in done.stdout


def test_a_command_without_settings_names_everything_that_is_missing() -> None:
    done = run("keys", "list")
    assert done.returncode == os.EX_CONFIG
    for name in ("KABAO_DATABASE_URL", "KABAO_MASTER_KEY", "KABAO_PUBLIC_URL"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


def production(**settings: str) -> dict[str, str]:
    key = "".join(f"{letter}{digit}" for letter, digit in zip("kabaoKABAOeLicence-wallet", "0123456789" * 3, strict=False))[:42] + "A"
    return {**ENVIRON, "KABAO_PUBLIC_URL": "https://id.example.gov.cn", "KABAO_MASTER_KEY": key, **settings}


def test_a_database_that_is_away_or_empty_is_said_in_a_sentence(server: PostgresServer) -> None:
    empty = create_database(server, "empty_" + os.environ.get("PYTEST_XDIST_WORKER", "main"), afresh=True)
    for address, told in (("postgresql://nobody@127.0.0.1:1/kabao", "KABAO_DATABASE_URL"), (empty, "kabao init")):
        environ = production(KABAO_DATABASE_URL=address)
        done = subprocess.run(kabao("keys", "list"), cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode != 0
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_another_master_key_than_the_databases_is_said_at_once(server: PostgresServer) -> None:
    address = create_database(server, "rekeyed_" + os.environ.get("PYTEST_XDIST_WORKER", "main"), afresh=True)
    first = production(KABAO_DATABASE_URL=address)
    second = {**first, "KABAO_MASTER_KEY": first["KABAO_MASTER_KEY"].swapcase()}
    said = [subprocess.run(kabao("init"), cwd=ROOT, env=each, capture_output=True, text=True, timeout=PATIENCE) for each in (first, first, second)]
    assert [done.returncode for done in said] == [0, 0, os.EX_CONFIG]
    assert "KABAO_MASTER_KEY" in said[2].stderr
    assert "Traceback" not in said[2].stderr
