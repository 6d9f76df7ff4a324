"""What commands say: tables that are not cut, refusals that are not silent."""

import pytest
from click import ClickException
from rich.table import Table

from runtime.commands import explained
from runtime.problems import Refusal
from runtime.shown_tables import print_table


def test_a_table_that_another_program_reads_is_not_cut(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    table = Table("kid", "use", "where")
    table.add_row("k" * 43, "u" * 40, "w" * 60)
    print_table(table)
    printed = capsys.readouterr().out
    assert all(whole in printed for whole in ("k" * 43, "u" * 40, "w" * 60))


@pytest.mark.parametrize(("reason", "said"), [("no key", "no key (refused)"), ("", "The request was refused. (refused)")], ids=["own", "kind"])
def test_a_refusal_ends_a_command_in_words(reason, said):
    with pytest.raises(ClickException, match=r"\A" + said.replace("(", r"\(").replace(")", r"\)") + r"\Z"), explained():
        raise Refusal(reason)
