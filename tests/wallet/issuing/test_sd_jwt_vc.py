from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Flask

from runtime.settings import Settings
from tests.wallet.issuing.desks import BEGINS, ENDS
from tests.wallet.issuing.licence_contents import PLACE, in_the_open, new_content, new_key, some_days_on
from wallet.issuing import sd_jwt, sd_jwt_vc
from wallet.issuing.contents import Content

IN_THE_OPEN = {"iss", "vct", "iat", "nbf", "exp", "cnf", "status", "_sd", "_sd_alg"}


@pytest.fixture(scope="module")
def content(app: Flask) -> Content:
    return new_content(app)


def made(app: Flask, settings: Settings, content: Content, **changes: Any) -> tuple[dict[str, Any], tuple[sd_jwt.Disclosure, ...]]:
    """Return the payload of a credential for a wallet elsewhere, and its disclosures."""
    given: dict[str, Any] = {"holder_key": new_key()[1], "place": PLACE, "now": some_days_on(), **changes}
    with app.app_context():
        parts = sd_jwt.parse(sd_jwt_vc.make(settings, content, **given))
    return jwt.decode(parts.jwt, options={"verify_signature": False}), parts.disclosures


def test_a_credential_for_a_wallet_elsewhere_says_nothing_in_the_open_by_which_its_licence_is_known(
    app: Flask, settings: Settings, content: Content
) -> None:
    payload, disclosures = made(app, settings, content)
    assert set(payload) == IN_THE_OPEN
    opened = sd_jwt.reveal(payload, disclosures)
    assert opened["licence_identifier"] == content.identifier
    assert (opened["licence_valid_from"], opened["licence_valid_until"]) == (BEGINS.isoformat(), ENDS.isoformat())
    assert {name: opened[name] for name in content.values} == dict(content.values)
    long_enough = [str(value) for value in content.values.values() if len(str(value)) > 5]  # a short one may stand in a digest by chance
    assert not any(value in str(payload) for value in long_enough)


def test_it_is_bound_to_the_key_that_is_given_and_to_none_where_none_is(app: Flask, settings: Settings, content: Content) -> None:
    _, jwk = new_key()
    assert made(app, settings, content, holder_key=jwk)[0]["cnf"] == {"jwk": jwk}
    assert "cnf" not in made(app, settings, content, holder_key=None)[0]


def test_a_field_that_its_type_does_not_let_be_hidden_stands_in_the_open(app: Flask, settings: Settings, content: Content) -> None:
    payload, disclosures = made(app, settings, in_the_open(content, "vehicle_class"))
    assert payload["vehicle_class"] == "C1"
    assert "vehicle_class" not in {one.name for one in disclosures}


def test_the_number_of_digests_does_not_tell_which_fields_a_licence_lacks(app: Flask, settings: Settings) -> None:
    whole = new_content(app, type="food-business-licence", valid_until=date(2028, 1, 31))
    optional = [one.name for one in whole.licence_type.fields if not one.required]
    assert optional, "the type has optional fields"
    less = replace(whole, values={name: value for name, value in whole.values.items() if name not in optional})
    counted = [(len(payload["_sd"]), len(disclosures)) for payload, disclosures in (made(app, settings, one) for one in (whole, less))]
    assert counted[0][0] == counted[1][0]
    assert counted[0][1] == counted[1][1] + len(optional)


def test_it_outlives_neither_the_lifetime_that_is_set_nor_the_licence(app: Flask, settings: Settings, content: Content) -> None:
    moment = some_days_on()
    payload, _ = made(app, settings, content, now=moment)
    end = datetime.fromtimestamp(payload["exp"], UTC)
    assert moment + settings.credential_lifetime - timedelta(days=1, seconds=1) <= end <= moment + settings.credential_lifetime
    assert moment - timedelta(days=1, seconds=1) <= datetime.fromtimestamp(payload["iat"], UTC) <= moment
    ending = replace(content, valid_until=moment.date() + timedelta(days=3))
    payload, _ = made(app, settings, ending, now=moment)
    assert ending.expires_at is not None
    assert payload["exp"] == int(ending.expires_at.timestamp())


def test_it_holds_no_earlier_than_its_licence(app: Flask, settings: Settings, content: Content) -> None:
    coming = replace(content, valid_from=some_days_on().date() + timedelta(days=30))
    assert made(app, settings, coming)[0]["nbf"] == int(coming.begins_at.timestamp())


def test_it_was_never_made_before_its_signer_had_a_certificate(app: Flask, settings: Settings) -> None:
    from runtime.clock import now

    fresh = new_content(app)
    earliest = now() - timedelta(minutes=6)
    assert all(made(app, settings, fresh, now=now())[0]["iat"] >= earliest.timestamp() for _ in range(20))


def test_the_one_that_stays_here_names_its_licence_and_holds_as_long(app: Flask, settings: Settings, content: Content) -> None:
    with app.app_context():
        text = sd_jwt_vc.make_lasting(settings, content, holder_key=new_key()[1], place=PLACE, now=some_days_on())
    payload = jwt.decode(sd_jwt.parse(text).jwt, options={"verify_signature": False})
    assert set(payload) == IN_THE_OPEN | {"licence_identifier"}
    assert content.expires_at is not None
    assert (payload["nbf"], payload["exp"]) == (int(content.begins_at.timestamp()), int(content.expires_at.timestamp()))
