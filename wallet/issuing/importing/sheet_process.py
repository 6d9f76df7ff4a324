"""Reads a workbook in a process of its own, which knows no secret, may use so much memory and time and no more, and writes rows as lines of JSON.

A sheet that claims a cell in its last corner would have a reader ask for half a terabyte; here that ends this process and nothing else. Formulas
are never run: a cell is what the workbook says that it was. Started by `tables.py`; imports nothing of ours.
"""

import datetime
import json
import resource
import sys
import zipfile
from io import BytesIO
from typing import Any

MOST_BYTES = 64 * 1024 * 1024
MOST_UNPACKED, MOST_MEMBERS = 512 * 1024 * 1024, 2_000
MEMORY, SECONDS = 2 * 1024 * 1024 * 1024, 120
LOST = 10**15  # beyond this a spreadsheet has dropped digits
ZIP = b"PK\x03\x04"


def fail(why: str) -> None:
    """Say why nothing can be read, and end."""
    print(json.dumps({"fault": why}))  # noqa: T201 (this is how it answers)
    sys.exit(1)


def text_of(value: Any) -> str | None:
    """Return a cell as text, None where its digits are lost already."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if abs(value) >= LOST:
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime.datetime):
        return (value.date() if value.time() == datetime.time(0) else value).isoformat()
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def check_unpacked(content: bytes) -> None:
    """Refuse an archive that unpacks to too much, before any of it is unpacked."""
    try:
        members = zipfile.ZipFile(BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError):
        fail("not-a-workbook")
    if len(members) > MOST_MEMBERS or sum(one.file_size for one in members) > MOST_UNPACKED:
        fail("too-large")


def main(sheet: str) -> None:
    """Read the workbook on standard input, and write the rows of a sheet (the first, if none is named)."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, WorksheetNotFound

    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        fail("too-large")
    if not content.startswith(ZIP):
        fail("not-a-workbook")
    check_unpacked(content)
    try:
        workbook = CalamineWorkbook.from_filelike(BytesIO(content))
        found = workbook.get_sheet_by_name(sheet) if sheet else workbook.get_sheet_by_index(0)
        for row in found.to_python(skip_empty_area=False):
            print(json.dumps([text_of(value) for value in row], ensure_ascii=True))  # noqa: T201 (this is how it answers)
    except PasswordError:
        fail("encrypted")
    except (WorksheetNotFound, IndexError):
        fail("no-such-sheet")
    except (CalamineError, MemoryError, ValueError, OSError):
        fail("not-a-workbook")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
