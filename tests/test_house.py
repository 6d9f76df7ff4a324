"""The rules about the tree itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from keys.sealed_tables import declared
from migrations.tables import metadata
from runtime.guard import caller_of

ROOT = Path(__file__).parent.parent
PACKAGES = ("runtime", "keys", "schemas", "idp", "wallet", "migrations", "demo")
BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "services", "service", "managers", "manager", "base", "models", "views"}
LONGEST = 400
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_route_names_who_may_call_it(app: Flask) -> None:
    assert [rule.rule for rule in app.url_map.iter_rules() if caller_of(app, rule.endpoint) is None] == []


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=named)
def test_a_file_is_a_feature(path: Path) -> None:
    assert path.stem not in BANNED
    assert len(path.read_text().splitlines()) <= LONGEST or path.parent.name == "versions"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_module_says_what_it_owns(path: Path) -> None:
    assert re.match(r'"""[A-Z`“]', path.read_text()), "a module begins with its docstring"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=named)
def test_a_package_is_one_docstring(path: Path) -> None:
    assert re.fullmatch(r'""".*?"""\s*', path.read_text(), re.DOTALL)


@pytest.mark.parametrize("path", [path for path in SOURCES if not path.stem.endswith(("_api", "_pages"))], ids=named)
def test_only_apis_and_pages_hold_views(path: Path) -> None:
    assert not re.search(r"^@\w+\.(route|get|post|put|delete)\(", path.read_text(), re.MULTILINE) or path.name == "openapi.py"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_but_the_settings_reads_the_environment(path: Path) -> None:
    reads = re.findall(r"os\.environ|os\.getenv|getenv\(", path.read_text())
    allowed = {"runtime/settings.py", "runtime/memory.py", "runtime/serve_command.py", "migrations/commands.py"}
    assert not reads or named(path) in allowed or named(path).startswith("demo/")


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_file_is_read_in_whatever_encoding_the_operators_terminal_has(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    least = {"read_text": 1, "write_text": 2}  # arguments, with which the encoding is among them
    texts = [call for call in calls if call.func.attr in least and not any(word.arg == "encoding" for word in call.keywords)]
    assert [call.lineno for call in texts if len(call.args) < least[call.func.attr]] == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_beneath_a_view_commits(path: Path) -> None:
    assert not re.search(r"session\.(commit|rollback)\(", path.read_text())


def test_every_template_is_free_of_inline_script_and_style() -> None:
    inline = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=", re.IGNORECASE)
    found = [named(path) for package in (*PACKAGES, "examples") for path in (ROOT / package).rglob("*.html") if inline.search(path.read_text())]
    assert found == []


@pytest.mark.parametrize("name", ["requirements.lock", "deploy/requirements.lock"])
def test_the_lock_names_no_address_and_every_line_has_a_hash(name: str) -> None:
    lock = (ROOT / name).read_text()
    assert "://" not in lock
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", lock.strip()))


def test_the_layers_hold() -> None:
    done = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_whatever_rests_sealed_or_indexed_takes_part_in_rotations(name: str) -> None:
    """A new column wants a line beside its table: `sealed_tables.declare(...)`."""
    resting = {column.name for column in metadata.tables[name].columns if column.name.endswith(("_sealed", "_index"))}
    table = declared.get(name)
    assert resting <= ({*table.sealed, *table.indexed, *table.left} if table else set())


def test_what_is_declared_is_there() -> None:
    assert {name for name, table in declared.items() if {*table.sealed, *table.indexed, table.row} - set(metadata.tables[name].c.keys())} == set()
