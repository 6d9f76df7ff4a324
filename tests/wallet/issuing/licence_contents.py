"""Contents of invented licences, and who signs them."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from flask import Flask, current_app

from keys import suites
from runtime.clock import now
from runtime.ids import new_id
from tests.wallet.issuing.desks import BEGINS, ENDS
from tests.world_wallet import DEFINITIONS, example_fields, new_department
from wallet.issuing.contents import Content, make_content, values_of
from wallet.issuing.status_lists import Place

PLACE = Place("0123456789ab", 4711)
LATER = timedelta(days=10)  # a department's certificate is old enough by then for every time of a window


def new_content(app: Flask, *, type: str = "driving-licence", valid_until: date | None = ENDS, **fields: Any) -> Content:  # noqa: A002
    """Return the content of a licence that a new department issued; None takes a field away."""
    number = "379999199005180121"
    with app.app_context():
        return make_content(
            current_app.extensions["kabao_settings"],
            licence_id=new_id(),
            holder_id=new_id(),
            licence_type=DEFINITIONS[type],
            department=new_department(),
            identifier="1.2.156.3005.2.11100000000013127D011.11379999MB1000010L.TY6WBO3V5FX9O6X6I8YL.001.B",
            issued_on=BEGINS,
            valid_from=BEGINS,
            valid_until=valid_until,
            values=values_of(holder_name="林晓月", holder_number=number, licence_number=number, fields=example_fields(type, **fields)),
        )


def in_the_open(content: Content, name: str) -> Content:
    """Return the content of a type that lets a field not be hidden."""
    fields = tuple(replace(one, hideable=one.name != name) for one in content.licence_type.fields)
    return replace(content, licence_type=replace(content.licence_type, fields=fields))


def new_key() -> tuple[suites.PrivateKey, dict[str, str]]:
    """Return a holder's key and its public half."""
    key = suites.ES256.generate()
    return key, suites.public_jwk(key.public_key())


def some_days_on() -> Any:
    """Return a moment by which new certificates are days old."""
    return now() + LATER
