"""What is kept of templates is what was made of their very source, and nothing that goes wrong with it is seen."""

import sys
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from runtime import compiled_templates
from runtime.compiled_templates import CompiledTemplates


@pytest.fixture(autouse=True)
def _written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)


def render(folder: Path) -> str:
    """Render the page as a new process would."""
    return Environment(loader=FileSystemLoader(folder), bytecode_cache=CompiledTemplates(), autoescape=True).get_template("page.html").render(x=2)


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("{{ x }} once")
    assert render(tmp_path) == "2 once"
    return tmp_path


def test_a_template_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [path.name for path in kept(folder)] == [f"page.html.{sys.implementation.cache_tag}.pyc"]
    monkeypatch.setattr(Environment, "_generate", lambda *_, **__: pytest.fail("compiled again"))
    assert render(folder) == "2 once"


def test_another_source_is_another_template(folder: Path) -> None:
    (folder / "page.html").write_text("{{ x }} twice")
    assert render(folder) == "2 twice"
    assert render(folder) == "2 twice"


@pytest.mark.parametrize("damage", [b"", b"j2", b"\x00" * 4000], ids=["empty", "short", "foreign"])
def test_what_is_damaged_is_made_anew(folder: Path, damage: bytes) -> None:
    whole = kept(folder)[0].read_bytes()
    kept(folder)[0].write_bytes(damage)
    assert render(folder) == "2 once"
    assert kept(folder)[0].read_bytes() == whole


def test_what_is_cut_short_anywhere_is_made_anew(folder: Path) -> None:
    whole = kept(folder)[0].read_bytes()
    for length in range(len(whole)):
        kept(folder)[0].write_bytes(whole[:length])
        assert render(folder) == "2 once"
        assert kept(folder)[0].read_bytes() == whole


def test_what_another_release_of_the_compiler_made_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    generate = Environment._generate
    monkeypatch.setattr(Environment, "_generate", lambda *given, **named: compiled.append("once") or generate(*given, **named))
    assert render(folder) == "2 once"
    monkeypatch.setattr(compiled_templates, "COMPILER", "another")
    assert [render(folder), compiled] == ["2 once", ["once"]]


def test_where_nothing_can_be_written_nothing_is(folder: Path) -> None:
    kept(folder)[0].unlink()
    (folder / "__pycache__").rmdir()
    (folder / "__pycache__").touch()
    assert render(folder) == "2 once"


def test_nothing_is_written_where_python_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(folder)[0].unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert render(folder) == "2 once"
    assert kept(folder) == []
