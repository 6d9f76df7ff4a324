"""Steps of whoever answers requests: opening one, and replying to it."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.world_people import BROWSER, post_form
from wallet.issuing import sd_jwt
from wallet.register.licences import Licence

FIELD, OTHER = "vehicle_class", "file_number"
PRESSING = 12
Holder = tuple[FlaskClient, Licence]


def open_link(client: FlaskClient, link: str) -> TestResponse:
    return post_form(client, "/wallet/requests", {"link": link})


def opened(client: FlaskClient, link: str) -> str:
    answer = open_link(client, link)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def reply(client: FlaskClient, at: str, **data: Any) -> TestResponse:
    return post_form(client, at, data)


def approve(client: FlaskClient, at: str, licence: Licence, *extra: str, **data: Any) -> TestResponse:
    return reply(client, at, answer="approve", **{"licence-licence": str(licence.id), f"extra-licence-{licence.id}": list(extra), **data})


def names_in(presented: str) -> set[str]:
    return {str(one.name) for one in sd_jwt.parse(presented).disclosures}


def page_of(client: FlaskClient, at: str, **query: str) -> str:
    answer = client.get(at, query_string=query or None, headers=BROWSER)
    assert answer.status_code == 200
    return answer.text
