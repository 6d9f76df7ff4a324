"""What `kabao` says to an operator who types something wrong: one line that says what to mend, and never a traceback."""

import json
from pathlib import Path

import pytest
from flask import Flask

import wsgi
from wallet.register.departments import BAD_NAME

SOUND = "11379999MB1000010L"
ALL_OF_IT = "The file is to say what a policy has, member by member: name, owner"
WRONG = {
    "a revision that there is not": (["migrate", "--to", "nonsense"], "Can't locate revision identified by 'nonsense'"),
    "a department without a name": (["department", "add", SOUND, "", " "], BAD_NAME.en),
    "a department whose name is too long": (["department", "add", SOUND, "局" * 65, "Bureau"], BAD_NAME.en),
    "a list that is neither address nor file": (
        ["trust-list", "add", "x", "nonsense", "--root", "{list}", "--province", "某省", "--type", "driving-licence"],
        "nonsense is neither an address (https://…) nor a file that can be read.",
    ),
    "a number that is none": (["mandate", "list", "nonsense"], "A number has 18 characters"),
    "a system without a proof": (
        ["client", "add", "x", "--name", "甲", "A", "--owner", SOUND],
        "--jwks FILE, --secret, or --public",
    ),
    "a policy that is a list": (["client", "policy", "apply", "{list}"], ALL_OF_IT),
    "a policy that is empty": (["client", "policy", "apply", "{empty}"], ALL_OF_IT),
    "a policy without a name": (["client", "policy", "apply", "{object}"], "name is not acceptable: Missing data for required field."),
    "an issuer at no client": (
        ["trust", "add", "https://x.example", "--client", "nobody", "--jwks", "{list}", "--scope", "openid"],
        "client_id is not acceptable: a client that is open, with the grant jwt-bearer",
    ),
    "a resource that is no URI": (["resource", "add", "x", "--name", "甲", "A", "--owner", SOUND], "identifier is not acceptable: an absolute URI"),
    "a maker without keys": (["wallet-maker", "trust", "https://x.example", "--for", "wallets"], "public keys each with a kid, a root, or both"),
}


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG)
def test_what_an_operator_typed_wrong_is_told_in_one_line(app: Flask, tmp_path: Path, line: list[str], said: str) -> None:
    files = {"list": "[]", "empty": "", "object": json.dumps({})}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    group = wsgi.LateCommands(wsgi.COMMANDS, create_app=lambda: app, help="")
    told = app.test_cli_runner().invoke(group, [word.format(**{name: tmp_path / name for name in files}) for word in line])
    assert (told.exit_code in (1, 2), said in told.output) == (True, True), (told.output, told.exception)
