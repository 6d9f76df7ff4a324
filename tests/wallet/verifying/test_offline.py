"""Verifying without a network: a bundle, a root, and nothing else; the library, the command and its exit codes."""

import base64
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import delete

from keys import certificates, ring, suites
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.verifying.presented import root as another_root
from tests.wallet.verifying.test_one_door import made, picture_of
from tests.wallet.verifying.test_verifications_api import whole
from tests.world_verifying import Counter
from wallet.issuing import sd_jwt, status_building
from wallet.issuing.copy_marks import Marking
from wallet.issuing.life import revoke_licence
from wallet.issuing.trust_list import ListedService
from wallet.presenting import statements
from wallet.register.departments import Action, Authority, withdraw
from wallet.verifying import bundles, bundling
from wallet.verifying.bundle_commands import show_bundle
from wallet.verifying.bundles import BadBundle, Bundle, BundleOver, read_bundle
from wallet.verifying.commands import verify as verify_command
from wallet.verifying.conclusions import Conclusion
from wallet.verifying.offline import NotBrought, OfOneRequest, OnlineOnly, verify
from wallet.verifying.outcomes import Reason

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")


def build_statuses() -> None:
    with transaction() as session:
        while status_building.rebuild_next(session, current_app.extensions["kabao_settings"], now=now()):
            pass


def fresh() -> bytes:
    """The bundle of this moment."""
    build_statuses()
    return bundling.make(current_app.extensions["kabao_settings"], now=now()).token


def roots() -> tuple[x509.Certificate, ...]:
    return certificates.anchors().roots


@pytest.fixture
def bundle(counter: Counter) -> Bundle:
    return read_bundle(fresh(), roots=roots(), now=now())


@pytest.fixture
def files(counter: Counter, tmp_path: Path) -> Path:
    """A folder with the bundle and the root in it."""
    (tmp_path / "bundle.jwt").write_bytes(fresh())
    (tmp_path / "root.pem").write_bytes(roots()[0].public_bytes(Encoding.PEM))
    return tmp_path


@pytest.mark.parametrize("kind", ["vc+jwt", "jwt_vc_json", "compact"])
def test_each_form_is_verified_by_the_bundle_alone(counter: Counter, bundle: Bundle, kind: str) -> None:
    answer = verify(made(counter, kind), bundle)
    assert (answer.conclusion, answer.is_valid) == (Conclusion.VALID, True)
    assert answer.fields["holder_name"] == counter.person.name
    assert answer.issuer is not None
    assert answer.type == {"zh": "机动车驾驶证", "en": answer.type["en"]} if answer.type else False


def test_files_are_verified_by_the_bundle_alone(counter: Counter, bundle: Bundle) -> None:
    assert verify(made(counter, "pdf"), bundle).is_valid
    assert verify(base64.b64decode(picture_of(made(counter, "compact"))), bundle).is_valid
    assert verify(whole(counter).encode(), bundle).is_valid


def test_what_was_revoked_is_told_by_a_bundle_made_since(counter: Counter, bundle: Bundle) -> None:
    with transaction() as session:
        revoke_licence(session, counter.licence, department=counter.issuer, reason="伪造材料", legal_basis="行政许可法", now=now())
    assert verify(whole(counter), bundle).is_valid, "as old as the bundle"
    assert verify(whole(counter), read_bundle(fresh(), roots=roots(), now=now())).conclusion is Conclusion.REVOKED


@pytest.mark.parametrize("kind", ["vc+jwt", "compact", "pdf"])
def test_a_department_is_not_believed_for_a_type_that_it_was_never_granted(counter: Counter, bundle: Bundle, kind: str) -> None:
    shown = made(counter, kind)
    with transaction() as session:
        for table in (Authority, ListedService):
            session.execute(delete(table).where(table.department_code == counter.issuer))
    without = read_bundle(fresh(), roots=roots(), now=now())
    assert verify(shown, bundle).is_valid
    answer = verify(shown, without)
    assert (answer.is_valid, answer.outcomes[3].reason, answer.fields) == (False, Reason.NOT_GRANTED, {})


def test_what_was_issued_under_an_authority_since_withdrawn_is_good(counter: Counter) -> None:
    shown = whole(counter)
    with transaction() as session:
        withdraw(session, department=counter.issuer, type_code=counter.licence.type_code, action=Action.ISSUE, now=now(), by="operator")
    assert verify(shown, read_bundle(fresh(), roots=roots(), now=now())).is_valid


def test_a_list_that_is_not_in_the_bundle_leaves_the_status_untold(counter: Counter, bundle: Bundle) -> None:
    bundle.status_lists.clear()  # type: ignore[attr-defined]
    answer = verify(whole(counter), bundle)
    assert (answer.conclusion, answer.cannot_tell, answer.fields) == (Conclusion.SOURCE_UNAVAILABLE, True, {})


def test_a_bundle_that_is_over_is_refused_and_so_is_one_that_runs_out(counter: Counter, bundle: Bundle) -> None:
    with pytest.raises(BundleOver):
        read_bundle(fresh(), roots=roots(), now=now() + timedelta(hours=25))
    with clock.shifted(timedelta(hours=25)), pytest.raises(BundleOver):
        verify(whole(counter), bundle)


def test_a_bundle_under_another_root_or_changed_or_of_another_type_is_refused(counter: Counter) -> None:
    token = fresh()
    head, body, signature = token.split(b".")
    for raw, trusted in (
        (token, (another_root(),)),
        (b".".join([head, body[:-2] + b"AA", signature]), roots()),
        (whole(counter).encode(), roots()),
        (b"", roots()),
        (b"\xff" * 10, roots()),
    ):
        with pytest.raises(BadBundle):
            read_bundle(raw, roots=trusted, now=now())


@pytest.mark.parametrize("how", ["the root as PEM", "the bundle as text"])
def test_who_gives_another_kind_of_thing_is_told_so_and_not_that_the_bundle_is_another_s(counter: Counter, how: str) -> None:
    given: Any = (fresh(), (certificates.root_pem(),)) if how == "the root as PEM" else (fresh().decode(), roots())
    with pytest.raises(TypeError, match="load_pem_x509_certificate"):
        read_bundle(given[0], roots=given[1], now=now())


def test_what_only_the_service_can_open_is_said_to_be_so(counter: Counter, bundle: Bundle) -> None:
    with pytest.raises(OnlineOnly):
        verify(counter.code(), bundle)
    with pytest.raises(NotBrought):
        verify("x" * 300, bundle)


def run(folder: Path, what: object, *more: str, stdin: Any = "") -> Result:
    arguments = [str(what), "--bundle", str(folder / "bundle.jwt"), "--root", str(folder / "root.pem"), *more]
    return CliRunner().invoke(verify_command, arguments, input=stdin)


def test_the_command_tells_by_its_exit_code(counter: Counter, files: Path) -> None:
    good = run(files, "-", stdin=whole(counter))
    assert (good.exit_code, "VERIFIED" in good.output, "0 h 0 min" in good.output) == (0, True, True), good.output
    assert run(files, made(counter, "compact")).exit_code == 0
    (files / "licence.pdf").write_bytes(made(counter, "pdf"))
    assert run(files, files / "licence.pdf").exit_code == 0
    forged = made(counter, "vc+jwt")[:-6] + "AAAAAA"
    assert run(files, forged).exit_code == 1
    assert run(files, "no such file").exit_code == 2
    assert run(files, "-", stdin=b"\xff\xfe" * 300).exit_code == 2
    assert run(files, counter.code()).exit_code == 3
    with clock.shifted(timedelta(hours=25)):
        over = run(files, "-", stdin=whole(counter))
    assert (over.exit_code, "fetch a newer one" in over.output) == (2, True)


def marked(lasts: timedelta) -> Marking:
    return Marking("示例市住建局", "办理施工许可", now(), now() + lasts, "某人")


@pytest.mark.parametrize("kind", ["pdf", "compact"])
def test_the_command_says_for_whom_a_copy_was_made_and_that_it_is_over(counter: Counter, files: Path, kind: str) -> None:
    for name, lasts in (("good", timedelta(days=2)), ("over", -timedelta(seconds=1))):
        shown = made(counter, kind, marking=marked(lasts))
        (files / name).write_bytes(shown if isinstance(shown, bytes) else shown.encode())
    good, over = run(files, files / "good"), run(files, files / "over")
    assert (good.exit_code, over.exit_code) == (0, 1), over.output
    for told in (good, over):
        assert "made_for: 示例市住建局" in told.output
        assert "cause: 办理施工许可" in told.output
    assert "NOT VERIFIED: expired" in over.output
    assert "某人" not in good.output + over.output


def test_a_bundle_is_shown(counter: Counter, files: Path) -> None:
    told = CliRunner().invoke(show_bundle, [str(files / "bundle.jwt"), "--root", str(files / "root.pem")])
    assert told.exit_code == 0
    assert "good until" in told.output


def test_the_bundle_is_served_and_asked_for_again_for_little(app: Flask, client: FlaskClient, counter: Counter) -> None:
    answer = client.get("/trust-bundle")
    assert (answer.status_code, answer.mimetype) == (200, "application/trust-bundle+jwt")
    assert read_bundle(answer.data, roots=roots(), now=now()).service == current_app.extensions["kabao_settings"].public_url
    assert client.get("/trust-bundle", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert counter.person.name not in base64.urlsafe_b64decode(answer.data.split(b".")[1] + b"==").decode()


def test_the_library_needs_no_web_framework_and_no_database() -> None:
    heavy = {"flask", "sqlalchemy", "psycopg", "idp"}
    script = f"import sys, wallet.verifying.offline; print(sorted({{name.split('.')[0] for name in sys.modules}} & {heavy}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert done.stdout.strip() == "[]"


AUDIENCE, NONCE = "x509_hash:department", "nonce-of-this-request"


def stated(counter: Counter, *, says: bool = True, shown: tuple[str, ...] = ("over_18",), kind: str = "over_18", slug: str | None = None) -> str:
    """A bare yes or no of the holder's, for one request."""
    said = statements.Statement(statements.Question(kind, slug), says)
    bound: dict[str, Any] = {"audience": AUDIENCE, "nonce": NONCE, "now": now(), "lifetime": timedelta(minutes=5)}
    return statements.make(current_app.extensions["kabao_settings"], said, holder_id=counter.holder_id, shown=shown, **bound)


@pytest.mark.parametrize("says", [True, False])
def test_a_bare_yes_or_no_is_verified_for_the_request_that_it_was_made_for(counter: Counter, bundle: Bundle, says: bool) -> None:
    answer = verify(stated(counter, says=says), bundle, nonce=NONCE, audience=AUDIENCE)
    assert (answer.conclusion, answer.fields) == (Conclusion.VALID, {"over_18": says})
    assert answer.type == statements.KINDS["over_18"].as_json()
    held = stated(counter, kind="holds", slug="driving-licence", shown=("holds",))
    found = verify(held, bundle, nonce=NONCE, audience=AUDIENCE)
    assert (found.fields, found.type is not None) == ({"holds": True}, True)


def test_a_yes_or_no_of_another_request_or_of_none_is_not_believed(counter: Counter, bundle: Bundle) -> None:
    text = stated(counter)
    unbound = text.rsplit("~", 1)[0] + "~"
    for shown, how in ((text, {}), (unbound, {}), (text, {"nonce": NONCE})):
        with pytest.raises(OfOneRequest):
            verify(shown, bundle, **how)
    for shown, how in ((text, {"nonce": "another"}), (text, {"audience": "another"}), (unbound, {})):
        answer = verify(shown, bundle, **{"nonce": NONCE, "audience": AUDIENCE, **how})
        assert (answer.conclusion, answer.fields) == (Conclusion.NOT_SHOWN_BY_HOLDER, {})
    with clock.shifted(timedelta(minutes=7)):
        assert not verify(text, bundle, nonce=NONCE, audience=AUDIENCE).is_valid


def test_a_department_cannot_say_yes_in_the_service_s_place(counter: Counter, bundle: Bundle) -> None:
    head, payload = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in stated(counter).split("~")[0].split(".")[:2])
    signer = ring.signer(certificates.department_use(counter.issuer))
    for iss in (payload["iss"], certificates.department_uri(current_app.extensions["kabao_settings"], counter.issuer)):
        holder = suites.ES256.generate()
        claims = {**payload, "iss": iss, "cnf": {"jwk": suites.public_jwk(holder.public_key())}}
        text = sd_jwt.combine(signer.sign(claims, typ=head["typ"]), [])
        binding = {"iat": int(now().timestamp()), "aud": AUDIENCE, "nonce": NONCE, "sd_hash": sd_jwt.sd_hash(text)}
        forged = text + jwt.encode(binding, holder, algorithm="ES256", headers={"typ": "kb+jwt"})
        assert verify(forged, bundle, nonce=NONCE, audience=AUDIENCE).conclusion in (Conclusion.FALSE, Conclusion.UNTRUSTED_ISSUER)


def test_what_a_bundle_calls_a_yes_or_no_is_what_the_wallet_calls_it(counter: Counter) -> None:
    assert statements.issuer(current_app.extensions["kabao_settings"]).endswith(bundles.ANSWERS)
    assert bundles.ANSWER == statements.TYPE_PREFIX
