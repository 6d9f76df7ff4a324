"""Every `kabao` command that the README and the recipes show is one: its words, options and values are read as the command line reads them."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from wsgi import commands

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs" / "recipes").glob("*.md"))]
FILE = re.compile(r"[\w./-]+\.(json|jwt|csv|ya?ml|pem|crt|key|pdf|jws|jsonl|ndjson|zip|xlsx|html|toml|tsv|cbor|txt)")


def commands_in(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command of a page's blocks, those of `kabao` alone."""
    fenced = page.read_text().split("```")[1::2]
    for line in "\n".join(fenced).replace("\\\n", " ").splitlines():
        found = re.match(r"\s*(?:\$ )?(?:export )?(?:[A-Z_]+=\S+ )*kabao (.*)", line)
        if found is not None:
            lexer = shlex.shlex(found[1], posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            yield list(takewhile(lambda word: not set(word) <= set("|&;<>"), lexer))


SHOWN = [pytest.param(words, id=f"{page.name}: {' '.join(words)[:60]}") for page in PAGES for words in commands_in(page)]


@pytest.mark.parametrize("words", SHOWN)
def test_a_command_that_is_shown_is_one(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in words:
        if word.endswith("/") and not word.startswith(("/", "http")):
            (tmp_path / word).mkdir(parents=True)
        if FILE.fullmatch(word) and not word.startswith("/"):
            (tmp_path / word).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / word).touch()
    command: click.Command | None = click.Group("kabao", commands={one.name: one for one in commands() if one.name})
    left = list(words)
    while isinstance(command, click.Group):
        group, name = command, left.pop(0)
        command = group.commands.get(name)
        assert command is not None, f"{group.name} has no {name}"
    assert command is not None
    command.make_context(command.name, left)


def test_there_are_commands_to_look_at() -> None:
    assert len(SHOWN) > 50
