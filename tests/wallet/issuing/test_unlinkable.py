"""Fifty credentials of one licence, for fifty keys of one wallet: nothing in them lines two of them up."""

from collections.abc import Callable
from typing import Any

import cbor2
import jwt
import pytest
from flask import Flask

from keys import cose
from runtime.settings import Settings
from tests.wallet.issuing.licence_contents import new_content, new_key, some_days_on
from wallet.issuing import sd_jwt, status_lists
from wallet.issuing.contents import Content
from wallet.issuing.formats import FORMATS

BATCH = 50
ALMOST_ALL = BATCH - 4  # two times of a window of 86,400 seconds may meet by chance
Marks = dict[str, list[Any]]


def of_sd_jwt(text: str) -> Marks:
    parts = sd_jwt.parse(text)
    payload = jwt.decode(parts.jwt, options={"verify_signature": False})
    return {
        "keys": [str(payload["cnf"])],
        "places": [payload["status"]["status_list"]["idx"]],
        "made": [payload["iat"]],
        "ends": [payload["exp"]],
        "salts": [sd_jwt.read_json(one.encoded)[0] for one in parts.disclosures],
        "digests": payload["_sd"],
        "open": [name for name in payload if name not in ("iss", "vct", "iat", "nbf", "exp", "cnf", "status", "_sd", "_sd_alg")],
    }


def of_mdoc(raw: bytes) -> Marks:
    signed = cbor2.loads(raw)
    told = cbor2.loads(cbor2.loads(cose.read_sign1(signed["issuerAuth"]).payload or b"").value)
    items = [cbor2.loads(item.value) for item in next(iter(signed["nameSpaces"].values()))]
    return {
        "keys": [str(told["deviceKeyInfo"])],
        "places": [told["status"]["status_list"]["idx"]],
        "made": [told["validityInfo"]["signed"]],
        "ends": [told["validityInfo"]["validUntil"]],
        "salts": [one["random"] for one in items],
        "digests": list(next(iter(told["valueDigests"].values())).values()),
        "numbers": [one["digestID"] for one in items],
        "open": [],
    }


def of_jwt(text: str) -> Marks:
    payload = jwt.decode(text, options={"verify_signature": False})
    return {
        "keys": [str(payload["cnf"])],
        "places": [payload["status"]["status_list"]["idx"]],
        "made": [payload["iat"]],
        "ends": [payload["exp"]],
    }


@pytest.fixture(scope="module")
def content(app: Flask) -> Content:
    return new_content(app)


@pytest.mark.parametrize(
    ("name", "read"),
    [("dc+sd-jwt", of_sd_jwt), ("mso_mdoc", of_mdoc), ("vc+jwt", of_jwt), ("jwt_vc_json", of_jwt)],
    ids=["dc+sd-jwt", "mso_mdoc", "vc+jwt", "jwt_vc_json"],
)
def test_nothing_lines_up_the_members_of_a_batch(app: Flask, settings: Settings, content: Content, name: str, read: Callable[[Any], Marks]) -> None:
    moment = some_days_on()
    with app.app_context():
        made = [
            FORMATS[name].make(settings, content, holder_key=new_key()[1], place=status_lists.draw("0123456789ab"), now=moment) for _ in range(BATCH)
        ]
    marks = [read(one) for one in made]
    for kind in ("keys", "places", "salts", "digests", "numbers"):
        found = [value for one in marks for value in one.get(kind, [])]
        assert len(set(found)) >= len(found) - (1 if kind == "places" else 0), kind
    for kind in ("made", "ends"):
        assert len({one[kind][0] for one in marks}) >= ALMOST_ALL, kind
    assert [one["made"][0] for one in marks] != sorted(one["made"][0] for one in marks), "the times do not follow the order of making"
    assert all(not one.get("open") for one in marks)
