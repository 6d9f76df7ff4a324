"""`kabao verify` as an offline verifier runs it: a file, a root, no network and no installation."""

import base64
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from keys import certificates
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.verifying.presented import AUDIENCE, ISSUER, NONCE, NOW, Presented, certificate, root
from tests.wallet.verifying.status_tokens import URI, status_cwt, status_token
from tests.wallet.verifying.test_one_door import made, picture_of
from tests.world_verifying import Counter
from wallet.issuing import credentials, status_lists
from wallet.verifying.commands import verify
from wsgi import create_app


@pytest.fixture(autouse=True)
def _at_the_moment_of_the_examples(request: pytest.FixtureRequest) -> Any:
    if "counter" in request.fixturenames:
        yield
        return
    with clock.shifted(NOW - now()):
        yield


@pytest.fixture
def root_file(tmp_path: Path) -> Path:
    path = tmp_path / "root.pem"
    path.write_bytes(root().public_bytes(Encoding.PEM))
    return path


def run(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(verify, [str(one) for one in arguments], input=stdin)


def test_a_valid_licence_is_verified_from_a_file_and_its_status_is_said_to_be_unchecked(tmp_path: Path, root_file: Path) -> None:
    file = tmp_path / "licence.txt"
    file.write_text(Presented(bound=False).text() + "\n")
    told = run(file, "--root", root_file)
    assert told.exit_code == 0, told.output
    for said in ("VERIFIED", "status not checked", "holder_name: 欧阳试", ISSUER):
        assert said in told.output
    assert "试验路" not in told.output


def test_no_claim_commands_the_terminal(root_file: Path) -> None:
    told = run("-", "--root", root_file, stdin=Presented(bound=False, claims={"holder_name": "a\x1b[2Jb"}).text())
    assert told.exit_code == 0
    assert "\x1b[2J" not in told.output


def test_an_installation_that_cannot_be_reached_is_said_to_be_so(settings: Settings) -> None:
    away = create_app(replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none"))
    told = away.test_cli_runner().invoke(verify, ["-"], input=Presented(bound=False).text())
    assert (told.exit_code, "--root FILE" in told.output) == (2, True)
    away.extensions["kabao_cache"].stop()


def test_it_reads_standard_input(root_file: Path) -> None:
    assert run("-", "--root", root_file, stdin=Presented(bound=False).text()).exit_code == 0


def test_a_binding_is_checked_when_it_is_asked_for(root_file: Path) -> None:
    text = Presented().text()
    assert run("-", "--root", root_file, "--audience", AUDIENCE, "--nonce", NONCE, stdin=text).exit_code == 0
    assert "nonce (wrong_nonce)" in run("-", "--root", root_file, "--audience", AUDIENCE, "--nonce", "another", stdin=text).output
    assert run("-", "--root", root_file, stdin=text).exit_code == 1


BLANK = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
FALSE = {
    "expired": Presented(bound=False, claims={"exp": int(NOW.timestamp()) - 1}).text(),
    "another root": Presented(bound=False, chain=[certificate(issuer="other root")]).text(),
}


@pytest.mark.parametrize("text", FALSE.values(), ids=FALSE)
def test_what_is_not_verified_ends_with_1(root_file: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "text"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    told = run(file, "--root", root_file)
    assert told.exit_code == 1
    assert "NOT VERIFIED" in told.output


def test_a_command_that_is_not_understood_ends_with_2(tmp_path: Path, root_file: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"\xff\x00junk")
    text = Presented(bound=False).text()
    assert run().exit_code == 2
    assert run(tmp_path / "absent").exit_code == 2
    assert run("-", "--root", tmp_path / "absent", stdin=text).exit_code == 2
    assert run("-", "--root", junk, stdin=text).exit_code == 2
    assert run("-", "--root", root_file, "--nonce", "x", stdin=text).exit_code == 2
    assert run("-", "--root", root_file, "--status", junk, stdin=text).exit_code == 2


@pytest.mark.parametrize(("level", "code", "said"), [(0, 0, "VERIFIED"), (1, 1, "revoked"), (2, 1, "suspended"), (3, 3, "status (status_unknown)")])
def test_a_status_list_in_a_file_tells_the_status(tmp_path: Path, root_file: Path, level: int, code: int, said: str) -> None:
    status = tmp_path / "status.jwt"
    for token in (status_token({7: level, 6: 3, 8: 3}), status_cwt({7: level, 6: 3, 8: 3})):
        status.write_bytes(token)
        told = run("-", "--root", root_file, "--status", status, stdin=Presented(bound=False).text())
        assert (told.exit_code, said in told.output, "status not checked" in told.output) == (code, True, False)


@pytest.mark.parametrize(
    "reference",
    [{"idx": 256, "uri": URI}, {"idx": 7, "uri": URI + "2"}, {"idx": "7", "uri": URI}, {"idx": -1, "uri": URI}, {"idx": True, "uri": URI}, {}],
)
def test_a_status_kept_elsewhere_is_unknown(tmp_path: Path, root_file: Path, reference: dict[str, Any]) -> None:
    status = tmp_path / "status.jwt"
    status.write_bytes(status_token({}))
    text = Presented(bound=False, claims={"status": {"status_list": reference}}).text()
    assert "status (status_unknown)" in run("-", "--root", root_file, "--status", status, stdin=text).output


def test_what_the_service_itself_issues_is_verified_offline(counter: Counter, tmp_path: Path) -> None:
    own_root, status = tmp_path / "root.pem", tmp_path / "status.jwt"
    own_root.write_bytes(certificates.root_pem())
    with transaction() as session:
        credential = credentials.credential_of(session, counter.licence)
        text = credentials.text_of(credential)
        found = session.get_one(status_lists.StatusList, credential.status_list)
    for token in (found.token.encode(), found.cwt):
        status.write_bytes(token)
        told = run("-", "--root", own_root, "--status", status, stdin=text)
        assert told.exit_code == 0, told.output
    assert counter.person.name in told.output


def test_without_a_root_the_installation_s_own_is_used(app: Flask, counter: Counter) -> None:
    with transaction() as session:
        text = credentials.text_of(credentials.credential_of(session, counter.licence))
    assert app.test_cli_runner().invoke(verify, ["-"], input=text).exit_code == 0


def test_the_time_of_the_machine_counts(root_file: Path) -> None:
    with clock.shifted(timedelta(seconds=2000)):
        assert "validity (expired)" in run("-", "--root", root_file, stdin=Presented(bound=False).text()).output


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")
def test_a_sealed_document_needs_no_bundle_under_any_root_of_the_file(counter: Counter, tmp_path: Path) -> None:
    """While one root follows another the file holds both, whichever comes first."""
    both, document = tmp_path / "root.pem", tmp_path / "licence.pdf"
    both.write_bytes(root().public_bytes(Encoding.PEM) + certificates.root_pem())
    document.write_bytes(made(counter, "pdf"))
    told = run(document, "--root", both)
    assert (told.exit_code, counter.person.name in told.output) == (0, True), told.output
    document.write_bytes(made(counter, "pdf")[:-400])
    assert run(document, "--root", both).exit_code == 2


@pytest.mark.parametrize(
    ("of", "code", "said"),
    [("dynamic", 3, "online only"), ("picture of a dynamic", 3, "online only"), ("compact", 2, "--bundle"), ("picture of nothing", 2, "no-code")],
)
def test_what_cannot_be_judged_by_a_root_alone_is_not_called_false(counter: Counter, tmp_path: Path, of: str, code: int, said: str) -> None:
    own_root, file = tmp_path / "root.pem", tmp_path / "shown"
    own_root.write_bytes(certificates.root_pem())
    shown = {
        "dynamic": lambda: counter.code().lower().encode(),
        "picture of a dynamic": lambda: base64.b64decode(picture_of(counter.code())),
        "compact": lambda: made(counter, "compact").encode(),
        "picture of nothing": lambda: base64.b64decode(BLANK),
    }[of]()
    file.write_bytes(shown)
    told = run(file, "--root", own_root)
    assert (told.exit_code, said in told.output, "NOT VERIFIED" in told.output) == (code, True, False), told.output


def test_what_is_no_licence_ends_with_2_as_it_does_by_a_bundle(root_file: Path, tmp_path: Path) -> None:
    for given in (b"", b"not a licence", b"\xff\xfe", b"A" * 300_000):
        (tmp_path / "given").write_bytes(given)
        told = run(tmp_path / "given", "--root", root_file)
        assert (told.exit_code, "Nothing that can be verified" in told.output) == (2, True), told.output
