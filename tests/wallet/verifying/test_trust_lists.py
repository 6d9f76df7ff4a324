"""Another province's house, with a database and an address of its own, whose licences are believed here for what its trust list was granted."""

import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from demo import postgres
from keys import certificates, ring, suites
from keys.init import init_keys
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from tests.wallet.issuing.documents.test_sealed import run as read_pdf
from tests.wallet.verifying.openid4vp.test_asking import read
from tests.wallet.verifying.openid4vp.wallets import Held, Wallet, asked
from tests.wallet.verifying.test_desk_pages import new_officer
from tests.wallet.verifying.test_desk_pages import verify as verify_at_desk
from tests.world_clients import bearer
from tests.world_people import new_person, sign_in
from tests.world_verifying import OTHER_TYPE, TYPE, Counter, new_browser
from tests.world_wallet import apply_catalogue, new_department, new_licence
from wallet.issuing import credentials, sd_jwt, status_building, trust_list
from wallet.issuing.life import revoke_licence
from wallet.issuing.status_lists import Place
from wallet.register import catalogue, departments
from wallet.register.departments import Action
from wallet.verifying import bundling, offline, trust_list_jobs, trust_sources, wording
from wallet.verifying.bundles import read_bundle
from wallet.verifying.checks import Expected, NotVerified, verify
from wallet.verifying.commands import verify as verify_command
from wallet.verifying.outcomes import Reason
from wallet.verifying.trust_list_commands import trust_list as command
from wallet.verifying.trust_list_reading import Source, read_list
from wallet.verifying.trusting import current_trust
from wsgi import create_app

PROVINCE = "虚构省"
HOUR = 3600
SAID = wording.REASONS[Reason.SHORT_LIVED]
FIELDS = ("vehicle_class", "holder_number")
UNBOUND = Expected(binding=False, audience=None, nonce=None, vcts=None, binding_age=timedelta(minutes=5))


class Province:
    """A house elsewhere."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.app, self.settings = app, settings
        with app.app_context():
            self.department = new_department(issue=(TYPE, OTHER_TYPE))
            self.root = certificates.root_pem()

    def publish(self) -> None:
        with self.app.app_context(), transaction() as session:
            trust_list.rebuild(session, self.settings, now=now())

    def issue(self, slug: str = TYPE) -> str:
        """Issue a licence and return its credential, as its holder carries it."""
        with self.app.app_context():
            with transaction() as session:
                self.licence = new_licence(session, type=slug, department=self.department, number=new_person(session).number)
            self.build_statuses()
            with transaction() as session:
                return credentials.text_of(credentials.credential_of(session, self.licence))

    def resign(self, text: str, **changes: Any) -> str:
        """Sign a credential again as its department, with some claims changed; one whose value is None is left out."""
        with self.app.app_context():
            return resigned(text, self.department, **changes)

    def build_statuses(self) -> None:
        with self.app.app_context(), transaction() as session:
            while status_building.rebuild_next(session, self.settings, now=now()):
                pass


@pytest.fixture(scope="module")
def province(server: postgres.PostgresServer) -> Iterator[Province]:
    url = schema.create(server, "province_" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    listening = make_server("127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True)
    settings = Settings(database_url=url, master_key=bytes(range(40, 72)), development=True, public_url=f"http://127.0.0.1:{listening.port}")
    app = create_app(settings)
    with app.app_context(), transaction() as session:
        init_keys(session, settings, now=now())
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    one = Province(app, settings)
    one.publish()
    yield one
    listening.shutdown()
    app.extensions["kabao_cache"].stop()
    app.extensions["kabao_engine"].dispose()


@pytest.fixture
def believed(app: Flask, province: Province, tmp_path: Path) -> Iterator[Province]:
    """The province's list, believed for driving licences."""
    (tmp_path / "root.pem").write_bytes(province.root)
    with app.app_context():
        apply_catalogue()
    done = added(app, province, tmp_path)
    assert done.exit_code == 0, done.output
    assert f"is believed for {TYPE}." in done.output
    yield province
    with app.app_context(), transaction() as session:
        for row in trust_sources.sources(session):
            trust_sources.remove(session, row.name, now=now())


def added(app: Flask, province: Province, folder: Path, *types: str) -> Any:
    named = [part for slug in types or (TYPE,) for part in ("--type", slug)]
    address = f"{province.settings.public_url}/trust-list"
    return app.test_cli_runner().invoke(command, ["add", "elsewhere", address, "--root", str(folder / "root.pem"), "--province", PROVINCE, *named])


def resigned(text: str, department: str, **changes: Any) -> str:
    signed, _, rest = text.partition("~")
    claims = {**jwt.decode(signed, options={"verify_signature": False}), **changes}
    signer = ring.signer(certificates.department_use(department))
    return signer.sign({name: one for name, one in claims.items() if one is not None}, typ="dc+sd-jwt") + "~" + rest


def short(lasts: int = HOUR) -> dict[str, Any]:
    """Claims of a credential of this minute that names no keeper of its status."""
    made_at = int(now().timestamp()) - 60
    return {"status": None, "iat": made_at, "nbf": made_at, "exp": made_at + lasts}


def failed(answer: Any) -> list[tuple[str, str]]:
    return [(check["check"], check["reason"]) for check in answer.json["checks"] if check["outcome"] == "failed"]


def test_a_licence_of_a_listed_issuer_is_verified_and_its_province_is_said(counter: Counter, believed: Province) -> None:
    answer = counter.verify(believed.issue(), binding="none")
    assert failed(answer) == []
    assert answer.json["verdict"] == "valid"
    issuer = answer.json["licence"]["issuer"]
    assert (issuer["province"], issuer["code"]) == (PROVINCE, believed.department)
    assert issuer["name"]["zh"].startswith("示例市")
    assert answer.json["licence"]["slug"] == TYPE
    assert answer.json["fields"]["vehicle_class"]


def test_its_own_revocation_is_heard(app: Flask, counter: Counter, believed: Province) -> None:
    text = believed.issue()
    with believed.app.app_context(), transaction() as session:
        revoke_licence(session, believed.licence, reason="违法", legal_basis="法", department=believed.department, now=now())
    believed.build_statuses()
    app.extensions["kabao_cache"].clear(trust_sources.TOPIC)
    assert failed(counter.verify(text, binding="none")) == [("status", "revoked")]


def test_a_short_life_without_a_status_is_verified_and_every_door_says_that_nobody_was_asked(
    app: Flask, counter: Counter, believed: Province, tmp_path: Path
) -> None:
    answer = counter.verify(text := believed.resign(believed.issue(), **short()), binding="none")
    assert (failed(answer), answer.json["verdict"], answer.json["conclusion"]) == ([], "valid", "valid")
    assert answer.json["checks"][-1] == {"check": "status", "outcome": "not_asked", "reason": "short_lived", "detail": SAID.zh}
    assert answer.json["licence"]["state"] == "unknown", "nobody says how it stands"
    claims = jwt.decode(answer.json["receipt"]["jws"], options={"verify_signature": False})
    assert (claims["checks"]["status"], claims["reasons"]) == ("not_asked", {"status": "short_lived"})
    paper = counter.client.get(f"/api/v1/receipts/{claims['jti']}/document", headers=bearer(counter.token)).data
    read = read_pdf("pdftotext", paper, tmp_path, "-raw", "document.pdf", "-").replace("\n", "").replace(" ", "")
    assert SAID.zh in read
    desk = new_browser(app)
    sign_in(desk, new_officer(counter.department))
    page = verify_at_desk(desk, text)
    assert 'data-verdict="valid"' in page
    assert page.count(SAID.en) == 2, "beside the verdict, and beside the check"


def test_a_longer_life_and_a_life_in_our_own_house_are_nothing_without_a_status(app: Flask, counter: Counter, believed: Province) -> None:
    day = 24 * HOUR
    assert failed(counter.verify(believed.resign(believed.issue(), **short(day)), binding="none")) == []
    longer = counter.verify(believed.resign(believed.issue(), **short(day + 1)), binding="none")
    assert (failed(longer), longer.json["conclusion"], longer.json["fields"]) == ([("status", "no_status")], "unknown", {})
    with transaction() as session:
        ours = credentials.text_of(credentials.credential_of(session, counter.licence))
    assert failed(counter.verify(resigned(ours, counter.issuer, **short()), binding="none")) == [("status", "no_status")]


def test_without_a_network_the_same_is_said(context: None, settings: Settings, believed: Province, tmp_path: Path) -> None:
    text, root = believed.resign(believed.issue(), **short()), certificates.anchors().roots[0].public_bytes(Encoding.PEM)
    token = bundling.make(settings, now=now()).token
    answer = offline.verify(text, read_bundle(token, roots=certificates.anchors().roots, now=now()))
    assert (answer.is_valid, answer.outcomes[-1].reason) == (True, Reason.SHORT_LIVED)
    (tmp_path / "bundle").write_bytes(token)
    (tmp_path / "home.pem").write_bytes(root)
    options = ["-", "--bundle", str(tmp_path / "bundle"), "--root", str(tmp_path / "home.pem")]
    told = CliRunner().invoke(verify_command, options, input=text)
    assert told.exit_code == 0, told.output
    assert SAID.en in told.output
    assert told.output.strip().endswith("(状态未查 status not checked)")
    longer = CliRunner().invoke(verify_command, options, input=believed.resign(believed.issue(), **short(25 * HOUR)))
    assert (longer.exit_code, "CANNOT TELL: unknown" in longer.output) == (3, True)


def query_for(believed: Province, slug: str = TYPE) -> dict[str, Any]:
    vct = f"{believed.settings.public_url}/types/{slug}"
    return {"credentials": [{"id": "theirs", "format": "dc+sd-jwt", "meta": {"vct_values": [vct]}, "claims": [{"path": ["licence_identifier"]}]}]}


def test_a_wallet_can_be_asked_for_a_type_as_another_province_names_it(counter: Counter, believed: Province) -> None:
    body = {"dcql_query": query_for(believed), "cause": {"text": "办理车辆年检"}}
    answer = counter.post("requests", body)
    assert answer.status_code == 201, answer.text
    refused = counter.post("requests", {**body, "dcql_query": query_for(believed, OTHER_TYPE)})
    assert (refused.status_code, refused.json["field"]) == (422, "dcql_query.credentials.0.meta"), "the operator did not grant it"


def test_a_type_that_the_operator_did_not_grant_is_not_believed(counter: Counter, believed: Province) -> None:
    assert failed(counter.verify(believed.issue(OTHER_TYPE), binding="none")) == [("issuer", "not_granted")]


def test_without_a_list_nobody_elsewhere_is_believed(counter: Counter, province: Province) -> None:
    assert failed(counter.verify(province.issue(), binding="none")) == [("issuer", "untrusted")]


def judged(text: str, at: datetime) -> Reason | None:
    try:
        verify(text, expected=UNBOUND, trust=current_trust(), status_of=None, now=at)
    except NotVerified as failure:
        return failure.reason
    return None


def test_a_list_that_ran_out_is_said_to_have_run_out(context: None, believed: Province) -> None:
    text = believed.issue()
    assert judged(text, now() + trust_list.LIFETIME - timedelta(hours=1)) is None
    assert judged(text, now() + trust_list.LIFETIME + timedelta(hours=1)) is Reason.LIST_EXPIRED


def test_a_list_that_cannot_be_had_leaves_the_last_good_one(app: Flask, context: None, believed: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction() as session:
        row = trust_sources.get_source(session, "elsewhere")
        row.url = "http://127.0.0.1:9/trust-list"
    trust_list_jobs.fetch_trust_list("elsewhere")
    with transaction() as session:
        row = trust_sources.get_source(session, "elsewhere")
        assert row.state_at(now()) == "unavailable"
        assert "no answer" in (row.fault or "")
        assert row.state_at(row.next_update) == "expired"
    assert judged(believed.issue(), now()) is None
    shown = app.test_cli_runner().invoke(command, ["list"], env={"COLUMNS": "200"}).output
    assert "unavailable" in shown


def test_what_was_withdrawn_is_believed_for_what_was_signed_before(context: None, app: Flask, believed: Province) -> None:
    before = believed.issue()
    with believed.app.app_context(), transaction() as session:
        code = catalogue.get_type(TYPE).code
        departments.withdraw(session, department=believed.department, type_code=code, action=Action.ISSUE, now=now())
    believed.publish()
    trust_list_jobs.fetch_trust_list("elsewhere")
    with transaction() as session:
        assert trust_sources.get_source(session, "elsewhere").fault is None
    assert judged(before, now()) is None
    listed = next(one for one in current_trust().listed.values() if one.code == believed.department)
    granted, as_mobile_document = listed.grants.values()
    assert granted == as_mobile_document
    assert granted.spans[0][1] <= now().timestamp()
    assert not listed.is_granted(next(iter(listed.grants)), now().timestamp())
    with believed.app.app_context(), transaction() as session:
        departments.grant(session, department=believed.department, type_code=code, action=Action.ISSUE, now=now())
    believed.publish()
    trust_list_jobs.fetch_trust_list("elsewhere")
    assert judged(believed.issue(), now() + timedelta(seconds=1)) is None


def test_an_issuer_renews_its_certificate_and_both_are_believed(context: None, believed: Province) -> None:
    before = believed.issue()
    with believed.app.app_context():
        from keys import renewal

        use = certificates.department_use(believed.department)
        with transaction() as session:
            renewal.renew(session, believed.settings, use, now=now())
        believed.publish()
        with transaction() as session:
            renewal.switch(session, use, now=now() + timedelta(minutes=6))
    trust_list_jobs.fetch_trust_list("elsewhere")
    assert judged(before, now()) is None
    assert judged(believed.issue(), now()) is None


def test_our_own_list_is_published_once_signed_and_for_every_origin(app: Flask, settings: Settings, context: None) -> None:
    department = new_department(issue=(TYPE,))
    with transaction() as session:
        first = trust_list.rebuild(session, settings, now=now())
    with transaction() as session:
        assert trust_list.rebuild(session, settings, now=now()) is None, "it says what is so"
    assert first is not None
    answer = app.test_client().get("/trust-list")
    assert (answer.status_code, answer.content_type) == (200, "application/jose")
    assert answer.data.decode() == first.token
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    again = app.test_client().get("/trust-list", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    root = certificates.root_certificate()
    source = Source("我省", root, frozenset({catalogue.get_type(TYPE).code}), "https://reader.example")
    read = read_list(answer.data, source, now=now())
    assert department in {one.code for one in read.listed.values()}
    assert read.sequence == first.sequence
    with transaction() as session:
        renewed = trust_list.rebuild(session, settings, now=now() + timedelta(days=4))
    assert renewed is not None
    assert renewed.sequence == first.sequence + 1


def test_a_compromised_key_is_not_in_the_list(context: None, settings: Settings) -> None:
    from keys import issued_certificates

    department = new_department(issue=(TYPE,))
    use = certificates.department_use(department)
    leaf = ring.signer(use).certificates[0]
    with transaction() as session:
        reason = issued_certificates.Reason.KEY_COMPROMISE
        issued_certificates.revoke(session, use=use, serial=leaf.serial_number, reason=reason, at=now(), now=now())
    with transaction() as session:
        row = trust_list.rebuild(session, settings, now=now())
    assert row is not None
    read = read_list(row.token.encode(), Source("我省", certificates.root_certificate(), frozenset(), "https://x.example"), now=now())
    assert department not in {one.code for one in read.listed.values()}
    uri = certificates.department_uri(settings, department)
    entities = jwt.decode(row.token, options={"verify_signature": False})["LoTE"]["TrustedEntitiesList"]
    identities = [one["ServiceInformation"]["ServiceDigitalIdentity"] for entity in entities for one in entity["TrustedEntityServices"]]
    assert {"OtherIds": [uri]} in identities, "no list may name a service by nothing"


def test_the_commands_show_and_remove(app: Flask, believed: Province) -> None:
    shown = app.test_cli_runner().invoke(command, ["show", "elsewhere"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert believed.settings.public_url in shown.output
    assert app.test_cli_runner().invoke(command, ["refresh", "elsewhere"]).output.startswith("good")
    assert app.test_cli_runner().invoke(command, ["remove", "elsewhere"]).exit_code == 0
    assert app.test_cli_runner().invoke(command, ["show", "elsewhere"]).exit_code == 1
    assert app.test_cli_runner().invoke(command, ["remove", "elsewhere"]).exit_code == 1


def test_a_list_of_our_own_cannot_be_brought_back_to_us(app: Flask, settings: Settings, context: None) -> None:
    with transaction() as session:
        trust_list.rebuild(session, settings, now=now() + timedelta(days=10))
        token = session.scalars(select(trust_list.OwnTrustList.token).order_by(trust_list.OwnTrustList.sequence.desc())).first() or ""
    with transaction() as session, pytest.raises(trust_sources.SourceRefused, match=r"own departments|from the future"):
        trust_sources.add(
            session,
            settings,
            name="ours",
            province=PROVINCE,
            url=None,
            given=token.encode(),
            root=certificates.root_certificate().public_bytes(Encoding.PEM),
            types=[],
            now=now(),
        )


@pytest.mark.parametrize(("asked_whom", "fields", "verdict"), [(0, FIELDS, "valid"), (1, FIELDS, "invalid"), (0, FIELDS[:1], "invalid")])
def test_what_was_asked_of_one_person_is_answered_by_a_licence_from_elsewhere_that_says_that_it_is_theirs(
    app: Flask, counter: Counter, believed: Province, asked_whom: int, fields: tuple[str, ...], verdict: str
) -> None:
    key = suites.ES256.generate()
    text = believed.resign(believed.issue(), cnf={"jwk": suites.public_jwk(key.public_key())})
    wallet = Wallet(app, Held(text, key, Place("", 0)))
    vct = jwt.decode(text.partition("~")[0], options={"verify_signature": False})["vct"]
    (theirs,) = [one.value for one in sd_jwt.parse(text).disclosures if one.name == "holder_number"]
    wanted = {"id": "a", "format": "dc+sd-jwt", "meta": {"vct_values": [vct]}, "claims": [{"path": [name]} for name in fields]}
    made = asked(counter, dcql_query={"credentials": [wanted]}, holder={"number": (theirs, counter.person.number)[asked_whom]})
    got = wallet.get(made["link"])
    assert wallet.answer(got, {"a": [wallet.present(got, fields)]}).status_code == 200
    (one,) = read(counter, made["id"])["result"]["presentations"]
    assert (one["verdict"], bool(one["fields"])) == (verdict, verdict == "valid")
    assert [row["reason"] for row in one["checks"] if row["reason"]] == ([] if verdict == "valid" else [Reason.OTHER_HOLDER.value])
