"""Archives of receipts that lay for years: what became of one file is told of that file, and never breaks the look at the others."""

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from keys import certificates
from tests.wallet.verifying.test_archives import first, looked_at, taken
from tests.world_verifying import Counter
from wallet.verifying import archives
from wallet.verifying.archive_commands import verify as verify_command
from wallet.verifying.archives import NotAnArchive, NotVouchedFor

CHANGED = "its content is not the one in the manifest"
ENCRYPTED, LZMA, BZIP2 = 0x1, 14, 12


@pytest.fixture
def archive(counter: Counter) -> bytes:
    """An archive of two receipts."""
    for _ in range(2):
        assert counter.verify(counter.code("holder_name")).status_code == 201
    return taken(counter)


def entry(archive: bytes, name: str) -> tuple[int, int, int]:
    """Return where a file's entry in the directory begins, where its packed content does, and how long that is."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        about = file.getinfo(name)
    length, extra = struct.unpack_from("<HH", archive, about.header_offset + 26)
    listed = archive.index(name.encode(), archive.index(b"PK\x01\x02")) - 46
    return listed, about.header_offset + 30 + length + extra, about.compress_size


def receipt_in(archive: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return first(dict.fromkeys(file.namelist(), b""), archives.RECEIPTS)


def with_bytes(archive: bytes, at: int, content: bytes) -> bytes:
    return archive[:at] + content + archive[at + len(content) :]


def faults(archive: bytes) -> dict[str, str]:
    return {one.file: one.what for one in looked_at(archive).faults}


@pytest.mark.parametrize("content", [b"\xff" * 8, b"\x00" * 8, b"\x07"], ids=["no code of a block", "zeros", "a block of no kind"])
def test_a_receipt_that_cannot_be_unpacked_is_the_only_fault(archive: bytes, content: bytes) -> None:
    name = receipt_in(archive)
    _, begins, _ = entry(archive, name)
    assert faults(with_bytes(archive, begins, content)) == {name: CHANGED}


@pytest.mark.parametrize("place", [6, 8], ids=["the flags", "the packing"])
@pytest.mark.parametrize("value", [ENCRYPTED, LZMA, BZIP2, 99])
def test_a_receipt_that_says_that_it_is_packed_in_another_way_is_the_only_fault(archive: bytes, place: int, value: int) -> None:
    name = receipt_in(archive)
    listed, _, _ = entry(archive, name)
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        header = file.getinfo(name).header_offset
    changed = archive
    for at in (header + place, listed + place + 2):
        changed = with_bytes(changed, at, struct.pack("<H", value))
    found = faults(changed)
    assert found.get(name, CHANGED) == CHANGED
    assert set(found) <= {name}
    assert found or place == 6, "some flags say nothing of the content"


def test_whatever_bits_are_other_ones_the_look_ends_in_an_answer(archive: bytes) -> None:
    ways, seen = random.Random(1), set()
    for _ in range(400):
        changed = bytearray(archive)
        changed[ways.randrange(len(changed))] ^= 1 << ways.randrange(8)
        try:
            seen.add("faults" if looked_at(bytes(changed)).faults else "none")
        except (NotAnArchive, NotVouchedFor):
            seen.add("none at all")
    assert seen >= {"faults", "none at all"}


def test_the_command_says_which_receipt_is_damaged(archive: bytes, tmp_path: Path) -> None:
    name = receipt_in(archive)
    _, begins, _ = entry(archive, name)
    (tmp_path / "archive.zip").write_bytes(with_bytes(archive, begins, b"\xff" * 8))
    (tmp_path / "root.pem").write_bytes(certificates.root_pem())
    done = CliRunner().invoke(verify_command, [str(tmp_path / "archive.zip"), "--root", str(tmp_path / "root.pem")])
    assert (done.exit_code, name in done.output) == (1, True)
