"""A token with authorization details draws just the licences and fields that they say."""

from collections.abc import Mapping
from typing import Any

import pytest

from idp.oauth.access_tokens import sign_access_token
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.oauth.terms import Terms
from runtime.clock import now
from runtime.database import transaction
from tests.world_clients import new_portal
from tests.world_verifying import CAUSE, OTHER_TYPE, TYPE, Counter
from tests.world_wallet import new_department

LICENCE = {"type": "licence", "actions": ["draw"], "licence_types": [TYPE], "cause": CAUSE["text"]}


def token_with(counter: Counter, *details: Mapping[str, Any], person: bool = True) -> str:
    """Return a portal's token on some details, for the licence's holder."""
    with transaction() as session:
        portal = new_portal(session, owner=new_department() if person else counter.department)
    client = find_client(portal.client_id)
    assert client is not None
    grantee = Grantee(counter.holder_id, counter.holder_id) if person else None
    settings = counter.client.application.extensions["kabao_settings"]
    scopes = "openid licences" if person else "draws"
    return sign_access_token(client, scopes=scopes, settings=settings, now=now(), grantee=grantee, terms=Terms(authorization_details=details))


def draw(counter: Counter, token: str, **more: Any) -> Any:
    return counter.post("draws", {"type": TYPE, "cause": CAUSE, **more}, token=token)


def test_what_was_allowed_is_drawn(counter: Counter) -> None:
    assert draw(counter, token_with(counter, LICENCE)).status_code == 201
    named = {**LICENCE, "identifier": counter.licence.identifier}
    assert draw(counter, token_with(counter, named)).status_code == 201


def test_to_look_at_a_licence_is_to_learn_that_it_is_in_force_and_nothing_more(counter: Counter) -> None:
    for actions in (["read"], ["draw"], ["read", "draw"]):
        told = draw(counter, token_with(counter, {**LICENCE, "actions": actions}), fields=[])
        assert (told.status_code, told.json["licence"]["state"], told.json["fields"]) == (201, "valid", {})
    refused = draw(counter, token_with(counter, {**LICENCE, "actions": ["read"]}), fields=["vehicle_class"])
    assert (refused.status_code, refused.json["field"]) == (403, "fields")


def test_the_cause_of_a_draw_is_the_one_that_the_person_read(counter: Counter) -> None:
    token = token_with(counter, LICENCE, {**LICENCE, "cause": "办理年检"})
    for cause in (CAUSE["text"], "办理年检", " 办理年检 "):
        assert draw(counter, token, cause={**CAUSE, "text": cause}).status_code == 201
    refused = draw(counter, token, cause={**CAUSE, "text": "市场推广"})
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (403, "beyond-authorization-details", "cause")


BEYOND = {
    "another licence type": {**LICENCE, "licence_types": [OTHER_TYPE]},
    "to look at alone": {**LICENCE, "actions": ["read"]},
    "another licence": {**LICENCE, "identifier": "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"},
}


@pytest.mark.parametrize("detail", BEYOND.values(), ids=BEYOND.keys())
def test_what_was_not_allowed_is_refused(counter: Counter, detail: dict[str, Any]) -> None:
    refused = draw(counter, token_with(counter, detail))
    assert (refused.status_code, refused.json["code"]) == (403, "beyond-authorization-details")


def test_only_the_fields_that_were_allowed_are_given(counter: Counter) -> None:
    token = token_with(counter, {**LICENCE, "datatypes": ["vehicle_class"]})
    assert draw(counter, token).json["fields"].keys() == {"vehicle_class"}
    assert draw(counter, token, fields=["vehicle_class"]).status_code == 201
    assert draw(counter, token, fields=["file_number"]).json["code"] == "beyond-authorization-details"


def test_one_of_several_details_is_enough(counter: Counter) -> None:
    token = token_with(counter, BEYOND["another licence type"], LICENCE)
    assert draw(counter, token).status_code == 201


def test_details_of_another_kind_limit_no_draw(counter: Counter) -> None:
    token = token_with(counter, {"type": "openid_credential", "credential_configuration_id": TYPE})
    assert draw(counter, token).status_code == 201


def test_a_system_s_details_limit_its_draws_too(counter: Counter) -> None:
    holder = {"number": counter.person.number}
    assert draw(counter, token_with(counter, LICENCE, person=False), holder=holder).status_code == 201
    refused = draw(counter, token_with(counter, BEYOND["another licence type"], person=False), holder=holder)
    assert (refused.status_code, refused.json["code"]) == (403, "beyond-authorization-details")


def test_a_system_s_details_open_no_more_than_the_matter_needs(counter: Counter) -> None:
    token = token_with(counter, {**LICENCE, "datatypes": ["vehicle_class", "address"]}, person=False)
    holder = {"number": counter.person.number}
    assert draw(counter, token, holder=holder).json["fields"].keys() == {"vehicle_class"}
    refused = draw(counter, token, holder=holder, fields=["vehicle_class", "address"])
    assert (refused.status_code, refused.json["code"]) == (403, "beyond-matter")
