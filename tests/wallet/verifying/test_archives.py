"""Archives of receipts: made and sent piece by piece, verified offline with a root and nothing else, years later and after every key was rotated."""

import io
import json
import secrets
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from flask import Flask, current_app

from keys import certificates, issued_certificates, renewal, revocation_lists, ring
from keys.issued_certificates import Reason
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.verifying.presented import root as another_root
from tests.wallet.verifying.test_desk_pages import BROWSER, new_officer
from tests.world_clients import bearer
from tests.world_people import csrf_token, sign_in
from tests.world_verifying import Counter, new_browser, new_counter, new_token
from wallet.verifying import archives, archiving
from wallet.verifying.archive_commands import verify as verify_command
from wallet.verifying.archives import Found, NotAnArchive, NotVouchedFor, verify_archive
from wallet.verifying.archiving import NotSealedYet, Period
from wallet.verifying.ledger_jobs import seal_now
from wallet.verifying.presentations import read_object

HOUR = timedelta(hours=1)
NOT_ITSELF = "it is another receipt than its name says, or another service's"


def asked(counter: Counter, since: datetime | None = None, until: datetime | None = None, token: str | None = None) -> Any:
    period = urlencode({"from": (since or now() - HOUR).isoformat(), "until": (until or now() + HOUR).isoformat()})
    counter.client.environ_base["REMOTE_ADDR"] = f"10.7.{secrets.randbelow(256)}.{secrets.randbelow(256)}"  # thirty a minute from one address
    return counter.client.get(f"/api/v1/receipts:bundle?{period}", headers=bearer(token or counter.token), buffered=True)


def taken(counter: Counter) -> bytes:
    seal_now()
    answer = asked(counter)
    assert answer.status_code == 200, answer.text
    whole: bytes = answer.data
    return whole


def looked_at(archive: bytes, roots: tuple[x509.Certificate, ...] | None = None, **more: Any) -> Found:
    return verify_archive(io.BytesIO(archive), roots=roots or certificates.anchors().roots, **more)


def rewritten(archive: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """Return an archive with its files changed."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        files = {name: file.read(name) for name in file.namelist()}
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return out.getvalue()


def resealed(files: dict[str, bytes]) -> None:
    """Let the manifest be of the files as they are now, and sealed again: what an insider with the key could do."""
    told = json.loads(files[archives.MANIFEST])
    told["files"] = {name: sha256(content).hexdigest() for name, content in files.items() if name not in (archives.MANIFEST, archives.SEAL)}
    files[archives.MANIFEST] = json.dumps(told).encode()
    seal = {
        "iss": current_app.extensions["kabao_settings"].public_url,
        "iat": int(now().timestamp()),
        "digest": sha256(files[archives.MANIFEST]).hexdigest(),
    }
    files[archives.SEAL] = ring.signer(ring.RECEIPT).sign(seal, typ=archives.SEAL_TYPE).encode()


def first(files: dict[str, bytes], folder: str) -> str:
    return min(name for name in files if name.startswith(folder))


def test_what_is_verified_while_an_archive_is_written_neither_breaks_it_off_nor_gets_lost(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt may be dated before the archive began, and be committed after: it is the next archive's, which begins where this one says it ends."""
    monkeypatch.setattr(archiving, "AT_ONCE", 2)
    made = [counter.verify(counter.code("holder_name")).json["receipt"] for _ in range(3)]
    seal_now()
    began, settings = now() + timedelta(seconds=30), current_app.extensions["kabao_settings"]
    with transaction() as session:
        period = archiving.begin(session, Period(counter.department, began - HOUR, began + HOUR), actor="test", now=began)
    pieces = archiving.write(settings, period, now=began)
    archive = next(pieces)
    late = [counter.verify(counter.code("holder_name")).json["receipt"] for _ in range(2)]
    archive += b"".join(pieces)
    found = looked_at(archive)
    assert (found.receipts, found.faults) == (len(made), [])
    seal_now()
    assert archives_of(asked(counter, since=datetime.fromisoformat(found.until)).data) == {one["id"] for one in late}


def archives_of(archive: bytes) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {Path(name).stem for name in file.namelist() if name.startswith(archives.RECEIPTS)}


def test_an_archive_holds_every_receipt_of_the_department_with_all_that_proves_it(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "AT_ONCE", 2)
    made = [counter.verify(counter.code("holder_name")).json["receipt"] for _ in range(4)]
    new_counter(counter.client).draw()
    archive = taken(counter)
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert {name for name in names if name.startswith("receipts/")} == {f"receipts/{one['id']}.jws" for one in made}
        assert file.read(f"receipts/{made[0]['id']}.jws").decode() == made[0]["jws"]
        readme = file.read("README.txt").decode()
        everything = b"".join(file.read(name) for name in names).decode(errors="replace")
    for folder in ("proofs/", "checkpoints/", "certificates/", "revocation-lists/", "anchors/"):
        assert any(name.startswith(folder) for name in names), folder
    assert "第716号" in readme
    assert "kabao receipt verify" in readme
    assert counter.person.name not in everything
    assert counter.person.number not in everything
    found = looked_at(archive)
    assert (found.receipts, found.department, found.faults) == (4, counter.department, [])


def test_what_is_verified_while_it_is_written_is_left_to_the_next_one(counter: Counter) -> None:
    made = counter.verify(counter.code()).json["receipt"]
    seal_now()
    for _ in range(2):
        with transaction() as session:
            period = archiving.begin(session, Period(counter.department, now() - HOUR, now() + HOUR), actor="test", now=now())
        counter.verify(counter.code())
        archive = b"".join(archiving.write(current_app.extensions["kabao_settings"], period, now=now()))
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            assert [name for name in file.namelist() if name.startswith("receipts/")] == [f"receipts/{made['id']}.jws"]
    with transaction() as session, pytest.raises(NotSealedYet):
        archiving.begin(session, Period(counter.department, now() - HOUR, now()), actor="test", now=now())


def test_it_is_as_good_ten_years_later_and_after_every_key_was_rotated(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    counter.verify(counter.code())
    archive, roots = taken(counter), certificates.anchors().roots
    real, settings = clock.now, current_app.extensions["kabao_settings"]
    for use in (ring.RECEIPT, ring.LEDGER):
        with transaction() as session:
            renewal.renew(session, settings, use, now=now())
        with transaction() as session:
            renewal.switch(session, use, now=now() + HOUR)
    later = new_counter(counter.client)
    later.verify(later.code())
    both = taken(later)
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=3653))
    assert looked_at(archive, roots).faults == []
    assert looked_at(both, roots).faults == []
    assert looked_at(both, roots).receipts == 1


CHANGES: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "a receipt changed": (lambda files: files.update({first(files, "receipts/"): b"eyJ.e30.x"}), "its content is not the one in the manifest"),
    "a receipt taken away": (lambda files: files.pop(first(files, "receipts/")), "it is missing"),
    "a receipt added": (lambda files: files.update({"receipts/x.jws": b"x"}), "it is not in the manifest"),
    "a proof changed": (lambda files: files.update({first(files, "proofs/"): b"{}"}), "its content is not the one in the manifest"),
    "the readme changed": (lambda files: files.update({"README.txt": b"trust me"}), "its content is not the one in the manifest"),
}


@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_what_is_changed_afterwards_is_named(counter: Counter, change: Callable[[dict[str, bytes]], Any], what: str) -> None:
    counter.verify(counter.code())
    faults = looked_at(rewritten(taken(counter), change)).faults
    assert what in {one.what for one in faults}


def _proof_of(files: dict[str, bytes], **members: Any) -> None:
    name = first(files, "proofs/")
    files[name] = json.dumps(json.loads(files[name]) | members).encode()


def _row_of(files: dict[str, bytes], **members: Any) -> None:
    _proof_of(files, row=json.loads(files[first(files, "proofs/")])["row"] | members)


def _resign(files: dict[str, bytes], **members: Any) -> None:
    name = first(files, "receipts/")
    claims = read_object(files[name].decode(), 1)
    files[name] = ring.signer(ring.RECEIPT).sign(claims | members, typ="receipt+jwt").encode()


INSIDE: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "signed again with another verdict": (lambda files: _resign(files, verdict="invalid"), "its proof is another receipt's"),
    "another department's": (lambda files: _resign(files, verifier={"code": "x", "name": {}}), "it is another department's"),
    "another number": (lambda files: _resign(files, jti="x"), NOT_ITSELF),
    "another service's": (
        lambda files: _resign(files, iss="https://elsewhere.example"),
        NOT_ITSELF,
    ),
    "a row of another act": (lambda files: _row_of(files, act="draw.made"), "it does not stand in the ledger"),
    "another place": (lambda files: _proof_of(files, position=0), "it does not stand in the ledger"),
    "a place past the end": (lambda files: _proof_of(files, position=10**9), "it does not stand in the ledger"),
    "a place that is a word": (lambda files: _proof_of(files, position="first"), "it cannot be read"),
    "no proof": (lambda files: files.pop(first(files, "proofs/")), "its proof is missing or was changed"),
    "no checkpoint": (lambda files: files.pop(first(files, "checkpoints/")), "the checkpoint that its proof leads to is missing or was changed"),
    "a checkpoint that is a receipt": (
        lambda files: files.update({first(files, "checkpoints/"): files[first(files, "receipts/")]}),
        "the signature does not fit, or it is a token of another type",
    ),
    "no token at all": (lambda files: files.update({first(files, "receipts/"): b"\xff\x00"}), "it cannot be read"),
}


@pytest.mark.parametrize(("change", "what"), INSIDE.values(), ids=INSIDE)
def test_not_even_who_can_seal_makes_a_receipt_of_what_was_never_recorded(
    counter: Counter, change: Callable[[dict[str, bytes]], Any], what: str
) -> None:
    counter.verify(counter.code())

    def both(files: dict[str, bytes]) -> None:
        change(files)
        resealed(files)

    assert [one.what for one in looked_at(rewritten(taken(counter), both)).faults] == [what]


def test_what_is_no_archive_and_what_nobody_vouches_for_is_refused(counter: Counter) -> None:
    counter.verify(counter.code())
    archive = taken(counter)
    for bad in (b"", b"PK\x03\x04", archive[: len(archive) // 2], archive[:-40], rewritten(archive, lambda files: files.pop("manifest.json"))):
        with pytest.raises(NotAnArchive):
            looked_at(bad)
    with pytest.raises(NotAnArchive):
        looked_at(rewritten(archive, lambda files: files.update({"manifest.json": files["manifest.json"] + b" "})))
    with pytest.raises(NotVouchedFor):
        looked_at(archive, (another_root(),))


def test_nobody_seals_an_archive_in_another_service_s_name(counter: Counter) -> None:
    """Two services may stand under one root: each speaks for itself alone."""

    def change(files: dict[str, bytes]) -> None:
        seal = {"iss": "https://other.example", "iat": int(now().timestamp()), "digest": sha256(files[archives.MANIFEST]).hexdigest()}
        files[archives.SEAL] = ring.signer(ring.RECEIPT).sign(seal, typ=archives.SEAL_TYPE).encode()

    counter.verify(counter.code())
    with pytest.raises(NotAnArchive, match="no archive"):
        looked_at(rewritten(taken(counter), change))


def test_an_archive_with_a_file_of_one_name_twice_is_refused(counter: Counter) -> None:
    """Other programs would show the first of them, which nobody looked at."""
    counter.verify(counter.code())
    good, out = taken(counter), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(out, "w") as new:
        new.writestr(archives.README, "All of this is genuine.")
        for name in set(old.namelist()) - {archives.README}:
            new.writestr(name, old.read(name))
        with pytest.warns(UserWarning, match="Duplicate name"):
            new.writestr(archives.README, old.read(archives.README))
    with pytest.raises(NotAnArchive, match="no archive"):
        looked_at(out.getvalue())


def test_a_seal_of_before_its_certificate_counts_for_nothing(counter: Counter) -> None:
    def change(files: dict[str, bytes]) -> None:
        seal = read_object(files[archives.SEAL].decode(), 1) | {"iat": 1}
        files[archives.SEAL] = ring.signer(ring.RECEIPT).sign(seal, typ=archives.SEAL_TYPE).encode()

    counter.verify(counter.code())
    with pytest.raises(NotVouchedFor, match="period"):
        looked_at(rewritten(taken(counter), change))


def test_a_key_that_was_in_other_hands_proves_nothing_by_a_newer_list(app: Flask, counter: Counter) -> None:
    """The list that came later is given by hand; the archive's own knows of nothing."""
    settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        renewal.renew(session, settings, ring.RECEIPT, now=now())
    with transaction() as session:
        renewal.switch(session, ring.RECEIPT, now=now() + HOUR)
    counter.verify(counter.code())
    archive = taken(counter)
    leaf = ring.signer(ring.RECEIPT).certificates[0]
    with transaction() as session:
        renewal.renew(session, settings, ring.RECEIPT, now=now())
    with transaction() as session:
        renewal.switch(session, ring.RECEIPT, now=now() + HOUR)
    with transaction() as session:
        issued_certificates.revoke(session, use=ring.RECEIPT, serial=leaf.serial_number, reason=Reason.KEY_COMPROMISE, at=now(), now=now())
    with transaction() as session:
        revocation_lists.renew(session, settings, now=now())
    newer = revocation_lists.find(certificates.kid_of(certificates.root_certificate()))
    assert newer is not None
    assert looked_at(archive).faults == []
    with pytest.raises(NotVouchedFor, match="revoked"):
        looked_at(archive, lists=(newer,))


def run(archive: Path, *more: str) -> Result:
    return CliRunner().invoke(verify_command, [str(archive), *more])


def test_the_command_says_what_it_found_by_its_exit_code(counter: Counter, tmp_path: Path) -> None:
    counter.verify(counter.code())
    archive, root, other = tmp_path / "archive.zip", tmp_path / "root.pem", tmp_path / "other.zip"
    archive.write_bytes(taken(counter))
    root.write_bytes(certificates.root_pem())
    good = run(archive, "--root", str(root))
    assert (good.exit_code, "ALL GENUINE" in good.output) == (0, True)
    assert run(archive).exit_code == 3
    other.write_bytes(rewritten(archive.read_bytes(), CHANGES["a receipt changed"][0]))
    bad = run(other, "--root", str(root))
    assert (bad.exit_code, "its content is not the one in the manifest" in bad.output) == (1, True)
    other.write_bytes(b"not a zip")
    assert run(other, "--root", str(root)).exit_code == 2
    assert run(archive, "--root", str(other)).exit_code == 2
    assert run(tmp_path / "nothing.zip").exit_code == 2


def test_what_an_archive_that_nobody_vouches_for_says_commands_no_terminal(counter: Counter, tmp_path: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        files[archives.MANIFEST] = json.dumps(json.loads(files[archives.MANIFEST]) | {"department": "\x1b]0;all genuine\x07"}).encode()
        resealed(files)

    counter.verify(counter.code())
    archive = tmp_path / "archive.zip"
    archive.write_bytes(rewritten(taken(counter), change))
    found = run(archive)
    assert (found.exit_code, "all genuine" in found.output) == (1, True)
    assert "\x1b" not in found.output


def test_what_cannot_be_archived_is_said(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(counter).json["code"] == "nothing-to-archive"
    counter.verify(counter.code())
    unsealed = asked(counter)
    assert (unsealed.status_code, unsealed.json["code"], unsealed.headers["Retry-After"]) == (409, "not-sealed-yet", "5")
    seal_now()
    assert asked(counter, now() + HOUR, now()).json["code"] == "nothing-to-archive"
    monkeypatch.setattr(archives, "MOST_RECEIPTS", 0)
    large = asked(counter)
    assert (large.status_code, large.json["code"]) == (422, "archive-too-large")
    assert asked(counter, token=new_token(counter.client, counter.department, scopes=("draws",))).status_code == 403
    for query in ("", "from=2026-01-01T00:00:00Z", "from=2026-01-01&until=2026-02-01", "from=x&until=y"):
        assert counter.client.get(f"/api/v1/receipts:bundle?{query}", headers=bearer(counter.token)).status_code == 422


def test_an_officer_takes_an_archive_on_a_page(counter: Counter) -> None:
    browser = new_browser(counter.client.application)
    sign_in(browser, new_officer(counter.department))
    page = browser.get("/desk/receipts/archive", headers=BROWSER).text
    form = {"csrf_token": csrf_token(page)}
    today = f"{now() + timedelta(hours=8):%Y-%m-%d}"
    for days, said in (
        ({"first": "", "last": today}, "Give a day"),
        ({"first": "2026-02-30", "last": today}, "Give a day"),
        ({"first": today, "last": "2020-01-01"}, "before the first"),
        ({"first": today, "last": "9999-12-31"}, "too far"),
        ({"first": "2020-01-01", "last": "2020-01-02"}, "no receipt in that time"),
    ):
        refused = browser.post("/desk/receipts/archive", data={**form, **days}, headers=BROWSER)
        assert refused.status_code in (404, 422)
        assert said in refused.text, days
    counter.verify(counter.code())
    seal_now()
    given = browser.post("/desk/receipts/archive", data={**form, "first": today, "last": today}, headers=BROWSER, buffered=True)
    assert (given.status_code, given.content_type) == (200, "application/zip")
    assert looked_at(given.data).receipts == 1
