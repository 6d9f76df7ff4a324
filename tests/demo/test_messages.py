"""What the demonstration's terminal shows of the messages to people."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from demo.messages import Messages


def line(**entry: str) -> str:
    return json.dumps(entry) + "\n"


def test_each_message_is_shown_once_and_what_was_there_before_never(tmp_path: Path) -> None:
    log, shown = tmp_path / "worker.log", StringIO()
    console = Console(file=shown, width=200)
    messages = Messages(log)
    messages.skip()
    messages.show(console)
    log.write_text(line(to="old@example.cn", title="old", body="111111"))
    messages.skip()
    with log.open("a") as more:
        more.write(line(event="ledger sealed") + "no JSON\n" + line(to="new@example.cn", title="[Kabao] code", body="222222 is the code"))
        more.write('{"to": "half')
    messages.show(console)
    messages.show(console)
    assert "111111" not in shown.getvalue()
    assert shown.getvalue().count("222222 is the code") == 1
    assert "new@example.cn  [Kabao] code" in shown.getvalue()
    with log.open("a") as rest:
        rest.write('@example.cn", "title": "t", "body": "333333"}\n')
    messages.show(console)
    assert "333333" in shown.getvalue()
