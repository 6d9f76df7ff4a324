"""What Kabao writes to people in the demonstration: no mail leaves it, so its terminal shows each message, with the codes and links."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape


@dataclass
class Messages:
    """The messages in the worker's log that were not shown yet."""

    log: Path
    read: int = 0

    def skip(self) -> None:
        """Pass over what is there already: the codes of an earlier run are of no use."""
        self.read = self.log.stat().st_size if self.log.exists() else 0

    def show(self, console: Console) -> None:
        """Print those that came since."""
        if not self.log.exists():
            return
        with self.log.open("rb") as lines:
            lines.seek(self.read)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self.read += len(line)
                _show(line, console)


def _show(line: bytes, console: Console) -> None:
    try:
        entry = json.loads(line)
    except ValueError:
        return
    if isinstance(entry, dict) and {"to", "title", "body"} <= entry.keys():
        console.print(f"\n[bold]✉ {escape(entry['to'])}[/]  {escape(entry['title'])}\n{escape(entry['body'].strip())}")
