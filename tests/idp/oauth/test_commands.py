"""`kabao client`."""

import json
import re
import secrets
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.commands import client as command
from idp.oauth.owners import UNKNOWN
from idp.oauth.registration.changes import UNREGISTERED
from keys import suites
from tests.idp.oauth.details_world import OWN, new_resource
from tests.world_clients import DEPARTMENT, System, ask, jwks_of
from tests.world_people import credit_code
from tests.world_wallet import new_department


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(command, list(arguments))
    return done.exit_code, done.output


def registration(client_id: str) -> list[str]:
    return ["add", client_id, "--name", "窗口系统", "Counter system", "--owner", DEPARTMENT, "--scope", "draws"]


def test_a_system_is_registered_by_its_public_keys(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    key, client_id = suites.ES256.generate(), f"made-{secrets.token_hex(4)}"
    (tmp_path / "keys.json").write_text(json.dumps(jwks_of(key)))
    status, said = run(app, *registration(client_id), "--jwks", str(tmp_path / "keys.json"))
    assert (status, "private_key_jwt" in said) == (0, True)
    assert ask(client, System(client_id, key), grant_type="client_credentials").status_code == 200
    assert client_id in run(app, "list")[1]
    assert run(app, "disable", client_id)[0] == 0
    assert ask(client, System(client_id, key), grant_type="client_credentials").status_code == 401


def test_an_owner_whose_code_is_not_sound_is_refused_by_name_and_one_that_nobody_has_is_warned_of(app: Flask) -> None:
    def add(owner: str) -> tuple[int, str, str]:
        client_id = f"made-{secrets.token_hex(4)}"
        status, said = run(app, *[owner if one == DEPARTMENT else one for one in registration(client_id)], "--secret")
        return status, said, client_id

    for unsound in ("11379999000000001A", "", "11379999", f"{DEPARTMENT}0"):
        status, said, client_id = add(unsound)
        assert (status, said.strip()) == (1, "Error: owner: It is not a valid unified social credit code: check each character.")
        assert client_id not in run(app, "list")[1]
    status, said, client_id = add(credit_code(kind="11"))
    assert (status, UNKNOWN.en in said, f"{client_id} is registered" in said) == (0, True, True)
    with app.app_context():
        known = new_department()
    assert UNKNOWN.en not in add(known)[1]


def test_a_registration_that_names_what_is_not_registered_is_warned_of_by_member(app: Flask, tmp_path: Path) -> None:
    client_id, other, slip = (f"made-{secrets.token_hex(4)}" for _ in range(3))
    resource = f"https://{slip}.example.gov.cn"
    for one in (client_id, other):
        assert run(app, *registration(one), "--secret")[0] == 0

    def named(*changes: str) -> list[str]:
        status, said = run(app, "edit", client_id, *(word for change in changes for word in ("--set", change)))
        assert (status, said.splitlines()[0]) == (0, f"{client_id} is changed.")
        return [line for line in said.splitlines() if "is not registered here" in line]

    grants = 'grant_types=["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]'
    ours = json.dumps([OWN, resource])
    said = named(grants, f"resources={ours}", f'may_exchange_from=["{other}", "{slip}"]', f'may_exchange_for=["{slip}", "{other}"]')
    assert said == [UNREGISTERED.format(*of).en for of in (("may_exchange_from", slip), ("may_exchange_for", slip), ("resources", resource))]
    (tmp_path / "client.json").write_text(run(app, "export", client_id)[1])
    assert said == [line for line in run(app, "import", str(tmp_path / "client.json"), "--replace")[1].splitlines() if "not registered here" in line]
    fund = json.dumps([OWN, new_resource(app)])
    assert named(f"resources={fund}", f'may_exchange_from=["{other}"]', f'may_exchange_for=["{other}"]') == []


def test_so_is_the_owner_of_a_policy(app: Flask, tmp_path: Path) -> None:
    name, file = f"policy-{secrets.token_hex(4)}", tmp_path / "policy.yaml"

    def apply(owner: str) -> tuple[int, str]:
        members = ["grant_types: [client_credentials]", "scopes: [draws]", "auth_methods: [client_secret_basic]"]
        file.write_text("\n".join([f"name: {name}", f"owner: {owner}", *members]))
        return run(app, "policy", "apply", str(file))

    status, said = apply("11379999000000001A")
    assert (status, "owner is not acceptable: It is not a valid unified social credit code: check each character." in said) == (1, True)
    assert apply("11379999")[0] == 1
    assert name not in run(app, "policy", "list")[1]
    status, said = apply(credit_code(kind="11"))
    assert (status, UNKNOWN.en in said, f"{name} is applied" in said) == (0, True, True)
    with app.app_context():
        known = new_department()
    status, said = apply(known)
    assert (status, UNKNOWN.en in said) == (0, False)
    assert apply("11379999000000001A")[0] == 1
    assert apply("113799990863530419")[0] == 0, "which YAML takes for a number"
    assert apply(known)[0] == 0
    assert apply("113799990863530418")[0] == 1
    assert known in run(app, "policy", "show", name)[1], "what was refused changes nothing"


def test_a_secret_is_shown_once(app: Flask, client: FlaskClient) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    status, said = run(app, *registration(client_id), "--secret")
    found = re.search(r"shown this once: (\S+)", said)
    assert status == 0
    assert found is not None
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, found[1])).status_code == 200
    assert found[1] not in run(app, "list")[1]


def application(client_id: str, *more: str) -> list[str]:
    return ["add", client_id, "--name", "掌上办事", "Pocket hall", "--owner", DEPARTMENT, "--scope", "openid", "--public", *more]


def test_a_public_client_is_registered_and_needs_no_proof(app: Flask, client: FlaskClient) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    status, said = run(app, *application(client_id, "--native", "--redirect-uri", "cn.gov.example.pocket:/back", "--first-party"))
    assert (status, "shown this once" in said, f"{client_id} is registered (none)." in said) == (0, False, True)
    document = json.loads(run(app, "export", client_id)[1])
    expected = {"token_endpoint_auth_method": "none", "grant_types": ["authorization_code"], "application_type": "native", "first_party": True}
    assert document | expected == document
    code = {"grant_type": "authorization_code", "code": "none", "redirect_uri": "cn.gov.example.pocket:/back", "code_verifier": "v" * 43}
    answer = client.post("/token", data={"client_id": client_id, **code})
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant"), "it is known, and its code is not"
    assert client.post("/token", data={"client_id": client_id, "grant_type": "client_credentials"}).status_code in (400, 401)


SOMEWHERE = ("--redirect-uri", "https://pocket.example.gov.cn/back")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param((), "redirect_uris", id="nowhere to come back to"),
        pytest.param((*SOMEWHERE, "--grant", "client_credentials"), "", id="a grant of its own"),
        pytest.param((*SOMEWHERE, "--grant", "authorization_code", "--grant", "client_credentials"), "grant_types", id="a grant of its own, too"),
        pytest.param(("--redirect-uri", "cn.gov.example.pocket:/back"), "redirect_uris", id="a scheme of its own in a browser"),
        pytest.param(("--redirect-uri", "http://pocket.example.gov.cn/back"), "redirect_uris", id="no TLS"),
        pytest.param((*SOMEWHERE, *SOMEWHERE), "redirect_uris", id="an address twice"),
        pytest.param((*SOMEWHERE, "--name", "掌上\u202e办事", "Pocket"), "client_name#zh", id="a name that turns round"),
        pytest.param((*SOMEWHERE, "--name", "掌上", "P" * 101), "client_name#en", id="a name too long"),
        pytest.param((*SOMEWHERE, "--sector", "x" * 254), "sector", id="a sector too long"),
    ],
)
def test_what_is_wrong_with_a_public_client_is_said_in_the_words_of_every_door(app: Flask, more: tuple[str, ...], field: str) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    status, said = run(app, *application(client_id, *more))
    assert (status, said.startswith(f"Error: {field}")) == (1, True), said
    assert client_id not in run(app, "list")[1]


@pytest.mark.parametrize("proofs", [(), ("--secret", "--public"), ("--jwks", "{keys}", "--secret"), ("--jwks", "{keys}", "--public")])
def test_a_client_proves_itself_in_just_one_way_that_is_said(app: Flask, tmp_path: Path, proofs: tuple[str, ...]) -> None:
    """Who forgets the keys of a portal does not get one that anybody can pass for."""
    keys, client_id = tmp_path / "keys.json", f"made-{secrets.token_hex(4)}"
    keys.write_text(json.dumps(jwks_of(suites.ES256.generate())))
    portal = [*registration(client_id), "--grant", "authorization_code", *SOMEWHERE]
    status, said = run(app, *portal, *(word.format(keys=keys) for word in proofs))
    assert (status, "--jwks FILE, --secret, or --public" in said) == (1, True)


def test_a_client_that_is_there_is_not_registered_again(app: Flask) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    assert run(app, *application(client_id, *SOMEWHERE))[0] == 0
    status, said = run(app, *application(client_id, *SOMEWHERE))
    assert (status, said.startswith("Error: ")) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "x y", "--name", "甲", "A", "--owner", "x", "--secret"],
        ["add", "made-public", "--name", "甲", "A", "--owner", "x"],
        ["disable", "nobody"],
    ],
    ids=["client id", "a public system", "unknown"],
)
def test_what_is_wrong_is_said(app: Flask, arguments: list[str]) -> None:
    status, said = run(app, *arguments)
    assert status == 1
    assert said.startswith("Error: ")


def test_a_client_is_shown_changed_exported_and_imported(app: Flask, tmp_path: Path) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    assert run(app, *registration(client_id), "--secret")[0] == 0
    assert "窗口系统" in run(app, "show", client_id)[1]
    assert (
        run(app, "edit", client_id, "--set", "client_name=Counter", "--set", 'contacts=["a@example.gov.cn"]', "--set", "require_auth_time=true")[0]
        == 0
    )
    document = json.loads(run(app, "export", client_id)[1])
    assert (document["client_name"], document["contacts"], document["require_auth_time"]) == ("Counter", ["a@example.gov.cn"], True)
    assert run(app, "edit", client_id, "--unset", "contacts")[0] == 0
    assert "contacts" not in json.loads(run(app, "export", client_id)[1])
    other = f"made-{secrets.token_hex(4)}"
    (tmp_path / "client.json").write_text(json.dumps({**document, "client_id": other}))
    status, said = run(app, "import", str(tmp_path / "client.json"))
    assert (status, "shown this once" in said) == (0, True)
    assert run(app, "import", str(tmp_path / "client.json"))[0] == 1, "there is one already"
    assert run(app, "import", str(tmp_path / "client.json"), "--replace")[0] == 0
    assert json.loads(run(app, "export", other)[1]) == {**document, "client_id": other}


def test_a_client_under_a_profile_is_shown_with_what_the_profile_brings(app: Flask, tmp_path: Path) -> None:
    client_id, keys = f"made-{secrets.token_hex(4)}", tmp_path / "keys.json"
    keys.write_text(json.dumps(jwks_of(suites.ES256.generate())))
    assert run(app, *registration(client_id), "--jwks", str(keys))[0] == 0
    assert not re.search(r"Pushed requests \(PAR\) +│ required", run(app, "show", client_id)[1])
    assert run(app, "edit", client_id, "--set", "security_profile=fapi2", "--set", "dpop_bound_access_tokens=true")[0] == 0
    assert re.search(r"Pushed requests \(PAR\) +│ required", run(app, "show", client_id)[1])


def test_both_secrets_are_good_while_one_is_rotated(app: Flask, client: FlaskClient) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    first = re.search(r"this once: (\S+)", run(app, *registration(client_id), "--secret")[1])
    second = re.search(r"this once: (\S+)", run(app, "rotate-secret", client_id)[1])
    assert first is not None
    assert second is not None
    for found in (first, second):
        assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, found[1])).status_code == 200
    assert run(app, "rotate-secret", client_id, "--overlap-days", "0")[0] == 0
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, second[1])).status_code == 401


def test_a_secret_that_is_being_changed_is_not_changed_again_unless_that_is_said(app: Flask, client: FlaskClient) -> None:
    """Else whoever has not changed over yet would be shut out by a command that promises a week."""
    client_id = f"made-{secrets.token_hex(4)}"
    first = re.search(r"this once: (\S+)", run(app, *registration(client_id), "--secret")[1])
    assert first is not None
    assert run(app, "rotate-secret", client_id)[0] == 0
    status, said = run(app, "rotate-secret", client_id)
    assert (status, "--end-former" in said) == (1, True)
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, first[1])).status_code == 200
    assert run(app, "rotate-secret", client_id, "--end-former")[0] == 0
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, first[1])).status_code == 401


def test_a_client_that_was_disabled_is_opened_again(app: Flask) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    run(app, *registration(client_id), "--secret")
    assert run(app, "disable", client_id)[0] == 0
    assert run(app, "enable", client_id)[0] == 0
    assert "open" in run(app, "show", client_id)[1]


@pytest.mark.parametrize(
    "change", ["owner=x", "redirect_uris=javascript:x", "grant_types=[]", "unheard_of=1", "nothing", "jwks=x", "default_max_age=no"]
)
def test_an_edit_that_is_wrong_names_the_member(app: Flask, change: str) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    run(app, *registration(client_id), "--secret")
    status, said = run(app, "edit", client_id, "--set", change)
    assert status == 1
    assert change.partition("=")[0] in said


def test_policies_tokens_and_issuers_by_command(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    name, issuer = f"policy-{secrets.token_hex(4)}", f"https://{secrets.token_hex(4)}.example.gov.cn"
    members = ["grant_types: [client_credentials]", "scopes: [draws]", "auth_methods: [client_secret_basic]"]
    (tmp_path / "policy.yaml").write_text("\n".join([f"name: {name}", f"owner: {DEPARTMENT}", *members]))
    (tmp_path / "keys.json").write_text(json.dumps(jwks_of(suites.ES256.generate())))
    assert run(app, "policy", "apply", str(tmp_path / "policy.yaml"))[0] == 0
    assert name in run(app, "policy", "list")[1] + run(app, "policy", "show", name)[1]
    made = run(app, "token", "new", "--policy", name, "--uses", "2")[1]
    token, token_id = re.search(r"this once: (\S+)", made), re.search(r"Token (\S+) is", made)
    assert token is not None
    assert token_id is not None
    document = {"grant_types": ["client_credentials"]}
    assert client.post("/register", json=document, headers={"Authorization": f"Bearer {token[1]}"}).status_code == 201
    assert token_id[1] in run(app, "token", "list")[1], "what is to be revoked can be read whole"
    assert run(app, "token", "revoke", token_id[1])[0] == 0
    assert client.post("/register", json=document, headers={"Authorization": f"Bearer {token[1]}"}).status_code == 401
    assert run(app, "issuer", "trust", issuer, "--jwks", str(tmp_path / "keys.json"))[0] == 0
    assert run(app, "issuer", "list")[0] == 0
    assert run(app, "issuer", "distrust", issuer)[0] == 0
    assert run(app, "policy", "remove", name)[0] == 0
    assert run(app, "token", "new", "--policy", name)[0] == 1


def test_a_proof_that_the_settings_do_not_offer_is_pointed_out(app: Flask) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    run(app, *registration(client_id), "--secret")
    proof = ("--set", "token_endpoint_auth_method=tls_client_auth", "--set", "tls_client_auth_subject_dn=CN=system-1,O=Department,C=CN")
    status, said = run(app, "edit", client_id, *proof)
    assert (status, "do not offer tls_client_auth" in said) == (0, True)
    assert (
        "do not offer"
        not in run(
            app,
            "edit",
            client_id,
            "--set",
            "require_auth_time=true",
            "--set",
            "token_endpoint_auth_method=client_secret_basic",
            "--unset",
            "tls_client_auth_subject_dn",
        )[1]
    )
