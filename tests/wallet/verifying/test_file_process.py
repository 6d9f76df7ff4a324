"""Strangers' files are read in a process that has so much memory and time and no more, writes nothing, and knows nothing of ours."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wallet.verifying import file_process, files
from wallet.verifying.files import FileUnusable

LIMITS = {
    "RLIMIT_AS": file_process.MEMORY,
    "RLIMIT_CPU": file_process.SECONDS,
    "RLIMIT_CORE": 0,
    "RLIMIT_FSIZE": 0,
}
READER = """
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("reader", sys.argv[1])
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)
reader.SECONDS = int(sys.argv[3])
reader.read = lambda content: eval(sys.argv[2])
reader.main()
"""


def run(what: str, *, seconds: int = file_process.SECONDS) -> subprocess.CompletedProcess[bytes]:
    """Let the process do something in the place of reading a file."""
    command = [sys.executable, "-I", "-c", READER, str(files.PROCESS), what, str(seconds)]
    return subprocess.run(command, input=b"a file", capture_output=True, check=False, timeout=60)


def test_its_limits_are_set_before_it_reads() -> None:
    names = ", ".join(f"{name!r}: resource.getrlimit(resource.{name})" for name in LIMITS)
    assert json.loads(run(f"{{{names}}}").stdout) == {name: [most, most] for name, most in LIMITS.items()}


def test_a_file_that_takes_too_much_memory_is_broken() -> None:
    assert json.loads(run(f"len(bytes({file_process.MEMORY}))").stdout) == {"fault": "broken"}


def test_a_file_that_takes_too_long_ends_the_process() -> None:
    done = run("[None for _ in iter(int, 1)]", seconds=1)
    assert (done.returncode, done.stdout) in {(-signal.SIGXCPU, b""), (-signal.SIGKILL, b"")}


def test_it_writes_into_no_file(tmp_path: Path) -> None:
    there = tmp_path / "written"
    assert json.loads(run(f"open({str(there)!r}, 'wb', buffering=0).write(b'x')").stdout) == {"fault": "broken"}
    assert there.read_bytes() == b""


def test_it_is_given_nothing_of_our_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "told.py"
    told.write_text("import json, os, sys\nprint(json.dumps({'codes': [json.dumps([dict(os.environ), sys.argv[1:]])]}))")
    monkeypatch.setenv("KABAO_MASTER_KEY", "a secret")
    monkeypatch.setattr(files, "PROCESS", told)
    surroundings, arguments = json.loads(files.read_file(b"a file").text)
    assert (set(surroundings) - {"LC_CTYPE"}, arguments) == (set(), [])


@pytest.mark.parametrize(
    "program",
    ["import time\ntime.sleep(60)", "import sys\nsys.exit(1)", "print('{')", "import os\nos.abort()", ""],
    ids=["too long", "ended with a fault", "half an answer", "killed", "no answer"],
)
def test_a_process_that_gives_no_answer_leaves_a_broken_file_and_its_place_to_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    reader = tmp_path / "reader.py"
    reader.write_text(program)
    monkeypatch.setattr(files, "PROCESS", reader)
    monkeypatch.setattr(files, "SECONDS", 3.0)
    for _ in range(files.AT_ONCE + 1):
        with pytest.raises(FileUnusable, match="broken"):
            files.read_file(b"a file")
