"""A second party watches the ledger over HTTP: it sees what the operator's own check cannot, a past that was written anew and signed again."""

import base64
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import text

from demo import postgres
from keys import certificates, ring
from runtime import ledger
from runtime.clock import now
from tests.served import Kabao, kabao
from wallet.verifying.ledger_jobs import CHECKPOINT, seal_now

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kabao]:
    with kabao(server, name="witness", folder=Path(tmp_path_factory.mktemp("witness")), worker=False, threads=1) as running:
        yield running


@pytest.fixture(scope="module")
def root(served: Kabao, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("root") / "root.pem"
    with served.world():
        path.write_bytes(certificates.root_pem())
    return path


def act(served: Kabao, count: int) -> None:
    """Let some acts be recorded and sealed."""
    with served.world() as session:
        for number in range(count):
            ledger.record(session, "test.act", actor="operator", object_id=f"thing-{number}", now=now(), about="before")
    with served.world():
        seal_now()


def watch(served: Kabao, file: Path, root: Path, url: str | None = None) -> subprocess.CompletedProcess[str]:
    return served.processes.command("ledger", "witness", url or f"http://127.0.0.1:{served.processes.port}", str(file), "--root", str(root))


def test_a_ledger_that_grows_goes_on_each_time(served: Kabao, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    act(served, 3)
    first = watch(served, file, root)
    assert (first.returncode, "first seen" in first.stdout) == (0, True), first.stderr
    again = watch(served, file, root)
    assert again.returncode == 0, again.stderr
    assert len(file.read_text().split()) == 1, "what was seen already is not written twice"
    for count in (1, 5, 17):
        act(served, count)
        later = watch(served, file, root)
        assert (later.returncode, "goes on from" in later.stdout) == (0, True), later.stderr
    assert len(file.read_text().split()) == 4


def test_an_old_answer_that_somebody_kept_accuses_nobody_while_the_service_proves_it(served: Kabao, root: Path, tmp_path: Path) -> None:
    file, url = tmp_path / "seen", f"http://127.0.0.1:{served.processes.port}"
    act(served, 3)
    old = json.dumps({"checkpoint": newest(served).signed}).encode()
    act(served, 4)
    assert watch(served, file, root).returncode == 0
    with answering(200, old, proving=url) as kept:
        found = watch(served, file, root, kept)
    assert (found.returncode, "AN OLD CHECKPOINT" in found.stderr) == (4, True), found.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["seen"], "that is no evidence"
    assert len(file.read_text().split()) == 1
    with answering(200, old) as alone:
        found = watch(served, file, root, alone)
    assert found.returncode == 2, "what came in place of a proof is none"


def test_fewer_rows_that_were_signed_later_accuse_whatever_is_proven(served: Kabao, root: Path, tmp_path: Path) -> None:
    file, url = tmp_path / "seen", f"http://127.0.0.1:{served.processes.port}"
    act(served, 3)
    before = newest(served)
    act(served, 4)
    assert watch(served, file, root).returncode == 0
    told = {"size": before.size, "root": base64.b64encode(before.root).decode(), "iat": int(now().timestamp()) + 60}
    with served.world():
        later = ring.signer(ring.LEDGER).sign(told, typ=CHECKPOINT)
    with answering(200, json.dumps({"checkpoint": later}).encode(), proving=url) as lying:
        found = watch(served, file, root, lying)
    assert (found.returncode, "DOES NOT GO ON" in found.stderr) == (1, True), found.stderr


def test_a_past_that_was_written_anew_and_signed_again_does_not_go_on(served: Kabao, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    act(served, 4)
    assert watch(served, file, root).returncode == 0
    with served.world() as session:
        session.execute(text("ALTER TABLE ledger_entries DISABLE TRIGGER ALL"))
        session.execute(text('UPDATE ledger_entries SET detail = \'{"about": "after"}\' WHERE position = 0'))
        session.execute(text("UPDATE ledger_entries SET position = NULL"))
        session.execute(text("DELETE FROM ledger_nodes"))
        session.execute(text("DELETE FROM ledger_checkpoints"))
        session.execute(text("ALTER TABLE ledger_entries ENABLE TRIGGER ALL"))
    act(served, 1)
    assert served.processes.command("ledger", "verify").returncode == 0, "whoever has the keys convinces the house itself"
    found = watch(served, file, root)
    assert (found.returncode, "DOES NOT GO ON" in found.stderr) == (1, True), found.stdout
    kept = [one for one in tmp_path.iterdir() if "contradiction" in one.name]
    assert [len(one.read_text().split()) for one in kept] == [2]
    assert len(file.read_text().split()) == 1, "what is not believed is not gone on from"


def test_where_no_file_can_be_written_nobody_is_accused(served: Kabao, root: Path, tmp_path: Path) -> None:
    found = watch(served, tmp_path / "nowhere" / "seen", root)
    assert (found.returncode, "cannot be written" in found.stderr) == (2, True), found.stderr


def test_a_shorter_ledger_does_not_go_on(served: Kabao, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    act(served, 2)
    assert watch(served, file, root).returncode == 0
    with served.world() as session:
        session.execute(text("DELETE FROM ledger_checkpoints WHERE size = (SELECT max(size) FROM ledger_checkpoints)"))
    found = watch(served, file, root)
    assert (found.returncode, "were signed before" in found.stderr) == (1, True), found.stdout
    longest = file.rename(tmp_path / ("s" * 255))
    found = watch(served, longest, root)
    assert (found.returncode, "Traceback" in found.stderr) == (1, False), found.stderr
    before, after = found.stderr.split()[-2:]
    assert (before, after.count(".")) == (longest.read_text().strip(), 2), "evidence that no file can hold is told"


class Answering(BaseHTTPRequestHandler):
    """A server that answers whatever it was told to, and of a proof what `proving` does, if somebody does."""

    status, body, proving = 200, b"", ""

    def do_GET(self) -> None:
        status, body = self.status, self.body
        if self.proving and "consistency" in self.path:
            try:
                with urllib.request.urlopen(self.proving + self.path, timeout=20) as proof:
                    body = proof.read()
            except urllib.error.HTTPError as refused:
                status, body = refused.code, refused.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(status: int, body: bytes, *, proving: str = "") -> Iterator[str]:
    """Serve one answer to all that is asked."""
    handler = type("Told", (Answering,), {"status": status, "body": body, "proving": proving})
    with HTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()


def newest(served: Kabao) -> ledger.LedgerCheckpoint:
    with served.world() as session:
        found = ledger.newest_checkpoint(session)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "body", "ends"),
    [
        pytest.param(200, b"not json", 2, id="no JSON"),
        pytest.param(200, b'{"checkpoint": "a.b.c"}', 2, id="no checkpoint"),
        pytest.param(200, b"[]", 2, id="a list"),
        pytest.param(200, b"{" + b" " * 100_000 + b"}", 3, id="too long"),
        pytest.param(503, b"{}", 3, id="unavailable"),
    ],
)
def test_an_answer_that_is_none_says_nothing_of_the_ledger(served: Kabao, root: Path, tmp_path: Path, status: int, body: bytes, ends: int) -> None:
    with answering(status, body) as url:
        found = watch(served, tmp_path / "seen", root, url)
    assert found.returncode == ends, found.stderr
    assert "Traceback" not in found.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_holds_something_else_is_left_alone(served: Kabao, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    file.write_text("something else\n")
    found = watch(served, file, root)
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)
    assert file.read_text() == "something else\n"


def test_what_is_no_address_does_not_answer(served: Kabao, root: Path, tmp_path: Path) -> None:
    found = watch(served, tmp_path / "seen", root, "https://[")
    assert (found.returncode, "Traceback" in found.stderr) == (3, False), found.stderr
