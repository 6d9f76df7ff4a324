"""A token of SoftHSM in a folder of its own, which a test may take away and give back."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.security_access import Access

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
TOKEN, PIN = "kabao-test", "482913"
needed = pytest.mark.skipif(not LIBRARY.exists(), reason="SoftHSM (Debian's softhsm2) is not installed")


def make_token(folder: Path) -> Access:
    """Make a fresh token, and let the library of this process look there from its next beginning on."""
    tokens = folder / "tokens"
    tokens.mkdir(parents=True)
    written = folder / "softhsm2.conf"
    written.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(written)
    made = ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "99887766"]
    subprocess.run(made, check=True, capture_output=True, timeout=20)
    return Access(str(LIBRARY), TOKEN, PIN)


@contextmanager
def taken_away(folder: Path) -> Iterator[None]:
    """Have the token away for as long as the block runs."""
    tokens, elsewhere = folder / "tokens", folder / "elsewhere"
    shutil.move(tokens, elsewhere)
    tokens.mkdir()
    yield
    tokens.rmdir()
    shutil.move(elsewhere, tokens)
