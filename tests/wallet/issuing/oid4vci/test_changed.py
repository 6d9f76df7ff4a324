"""A licence that changes is fetched anew by the wallets that hold it, and what they held before is over: through the doors of all who take part."""

import base64
import json
from typing import Any
from uuid import UUID

import jwt
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.grantees import Grantee
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.oid4vci.test_elsewhere import batch, refreshable
from tests.wallet.issuing.oid4vci.wallets import TYPE, Holder, new_wallet, wallet_of
from tests.world_people import new_person, open_account
from wallet.issuing import status_packing
from wallet.issuing.status_jobs import rebuild_status_lists
from wallet.issuing.status_packing import read_status_list
from wallet.register.licences import get_licence

WHY = {"reason": "持证人申请变更住址。", "legal_basis": "《测试法》第九条"}
NEW_ADDRESS = "示例省示例市新路9号"


def disclosed(credential: str) -> dict[str, Any]:
    """Return the fields that an SD-JWT tells."""
    parts = [json.loads(base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))) for one in credential.split("~")[1:] if one]
    return {name: value for _, name, value in (part for part in parts if len(part) == 3)}


def published_status(client: FlaskClient, credential: str) -> int | None:
    """Return what anybody reads of a credential in the published list."""
    told = jwt.decode(credential.split("~")[0], options={"verify_signature": False})["status"]["status_list"]
    answer = client.get("/status/" + told["uri"].rsplit("/", 1)[1], headers={"Accept": status_packing.JWT_MEDIA_TYPE})
    assert answer.status_code == 200
    lst = jwt.decode(answer.text, options={"verify_signature": False})["status_list"]
    return read_status_list(lst).status_at(told["idx"])


def test_a_changed_licence_gives_its_wallet_a_new_credential_and_ends_the_old_one(app: Flask, client: FlaskClient, desk: Desk) -> None:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        person_id = open_account(session, person)
    issued = desk.issue(person)
    with app.app_context(), transaction() as session:
        holder = Holder(person, Grantee(person_id, person_id), get_licence(session, UUID(issued["id"])), desk.department)
    system = new_wallet(app)
    tokens = refreshable(app, client, holder, system)
    (old,) = (one["credential"] for one in batch(wallet_of(client, system.client_id, tokens), 1).json["credentials"])
    rebuild(app)
    assert published_status(client, old) == 0

    changed = desk.post(f"/licences/{issued['id']}/change", {**WHY, "fields": {"address": NEW_ADDRESS}})
    assert changed.status_code == 201, changed.text
    rebuild(app)
    assert published_status(client, old) == 1, "which tells the wallet to come again"

    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": system.client_id}
    refreshed = wallet_of(client, system.client_id, client.post("/token", data=form).json)
    assert refreshed.identifiers[TYPE] == [changed.json["id"]]
    (new,) = (one["credential"] for one in batch(refreshed, 1).json["credentials"])
    assert disclosed(old)["address"] != disclosed(new)["address"] == NEW_ADDRESS
    rebuild(app)
    assert (published_status(client, old), published_status(client, new)) == (1, 0)


def rebuild(app: Flask) -> None:
    """Let the worker build the lists that changed."""
    with app.app_context():
        rebuild_status_lists()
