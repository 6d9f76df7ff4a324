"""Licence types as files: what is read with distrust, and that what is written reads back the same."""

from pathlib import Path

import pytest

from tests.world_wallet import DEFINITIONS
from wallet.register.definitions import FaultyDefinition, LicenceType, read_definition
from wallet.register.type_files import LARGEST, lean_document, read_file, read_folder, write_file


@pytest.mark.parametrize("licence_type", DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_written_type_reads_back_the_same(licence_type: LicenceType) -> None:
    written = write_file(licence_type)
    assert read_definition(read_file(written.encode())) == licence_type
    assert len(written) < LARGEST


def test_a_written_type_leaves_out_what_has_its_default() -> None:
    assert not {"most_holders", "doctype", "matters", "proves_identity"} & set(lean_document(DEFINITIONS["student-card"]))
    assert "doctype" in lean_document(read_definition(lean_document(DEFINITIONS["driving-licence"]) | {"doctype": "org.example.1"}))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(BOMB.encode(), id="references to references"),
        pytest.param(b"a: &x 1", id="an anchor"),
        pytest.param(b"<<: {a: 1}\na: &b {c: 1}", id="a merge"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b"{a: " * 13 + b"1" + b"}" * 13, id="one level too deep"),
        pytest.param(b"- " * 60_000 + b"x", id="nested lists"),
        pytest.param(b"a: " + b"x" * LARGEST, id="a huge file"),
        pytest.param(b"a: [" + b"1," * 30_000 + b"]", id="a list without end"),
        pytest.param("code: 编号".encode("gb18030"), id="another encoding"),
        pytest.param(b"\xff\xfea\x00:\x00", id="UTF-16"),
        pytest.param(b"a: 1\na: 2", id="a key twice"),
        pytest.param(b"{a: 1}: 2", id="a mapping as a key"),
        pytest.param(b"a: !!python/object/apply:os.system [id]", id="a tag that runs"),
        pytest.param(b"a: !!binary aGVsbG8=", id="a tag that does not"),
        pytest.param(b"a: 1\n---\nb: 2", id="two documents"),
        pytest.param(b"a: " + b"9" * 5000, id="a number of thousands of digits"),
        pytest.param(b"a: 2024-99-99", id="a date that there is not"),
        pytest.param(b"- a", id="a list"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"a: \x00", id="a zero byte"),
        pytest.param(b"a: [", id="half a list"),
        pytest.param("a: \ud800".encode("utf-8", "surrogatepass"), id="half a surrogate pair"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(content: bytes) -> None:
    with pytest.raises(FaultyDefinition) as raised:
        read_file(content)
    assert raised.value.member == "file"
    assert len(str(raised.value)) < 100, "nothing of the file is repeated"


def test_a_mark_of_the_byte_order_does_no_harm() -> None:
    assert read_file(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaultyDefinition, match=r"no \.yaml file"):
        list(read_folder(tmp_path))
