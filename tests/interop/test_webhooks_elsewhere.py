"""A receiver that is not ours verifies webhooks, with the library of Standard Webhooks (npm)."""

import time
from typing import Any

import pytest
import requests

from tests.at_address import AddressedKabao
from tests.interop.conftest import Program
from tests.wallet.issuing.hooks import hook
from tests.world_clients import new_system
from tests.world_people import new_person
from tests.world_wallet import new_department, new_licence

pytestmark = pytest.mark.interop


def test_a_receiver_made_elsewhere_verifies_what_it_is_posted(node: Program, kabao: AddressedKabao) -> None:
    with kabao.world() as session:
        department = new_department(issue=["driving-licence"], supervise=["driving-licence"])
        system = new_system(session, department=department, scopes=("events",))
    token_form = {"grant_type": "client_credentials", "scope": "events", **system.proof(aud=kabao.url)}
    token = requests.post(f"{kabao.url}/token", data=token_form, timeout=10).json()["access_token"]
    with hook() as address:
        wanted = {"url": address.url, "events": ["licence.issued"]}
        made = requests.post(f"{kabao.url}/api/v1/webhooks", json=wanted, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert made.status_code == 201, made.text
        with kabao.world() as session:
            new_licence(session, type="driving-licence", department=department, number=new_person(session).number)
        for _ in range(100):
            if address.heard:
                break
            time.sleep(0.1)
        posts: list[dict[str, Any]] = [{"headers": headers, "body": body.decode()} for headers, body in address.heard]
    found = node("hooked", secret=made.json()["secret"], posts=posts)
    assert [one["type"] for one in found["heard"]] == ["licence.issued"]
    assert found["changed"] == found["renamed"] == ["No matching signature found"]
