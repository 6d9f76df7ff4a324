"""The invented city, entered once: what was changed since stays when the demonstration starts again, in whatever year."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from demo import city, data, people, stand
from idp.oauth import clients
from idp.oauth.client_kinds import NONE, PRE_AUTHORIZED_CODE
from idp.subjects import directory, guardians, registries, registry_import
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.settings import Settings


def test_what_the_registries_were_told_since_stays(session: Session, settings: Settings) -> None:
    data._registries(session, settings)
    lin, child = parse_number(people.LIN.number), parse_number(people.CHILD.number)
    data._children(session, settings)
    rows = [{"number": people.CHEN.number, "name": "陈建国"}, {"number": people.CHILD.number, "name": "陈安宁"}]
    registry_import.load_people(session, rows)
    entered = directory.find_subject(session, child)
    assert entered is not None
    (mine,) = [one for one in guardians.guardians_of(session, entered.id) if one.person_id == directory.ensure_subject(session, lin, now=now()).id]
    mine.ended_at = now()
    data._registries(session, settings)
    data._children(session, settings)
    found = registries.ImportedRegistry(session).find(parse_number(people.CHEN.number))
    assert found is not None
    assert found.name == "陈建国"
    assert mine.ended_at is not None
    assert len(guardians.guardians_of(session, entered.id)) == len(people.CHILD.guardians)


def test_any_wallet_may_take_up_an_offer_of_the_demonstration_and_one_may_have_people_sign_in(
    session: Session, settings: Settings, tmp_path: Path
) -> None:
    data._clients(session, settings, tmp_path)
    found = {row.client_id: row for row in clients.listed(session) if row.client_id in data.WALLETS}
    assert set(found) == set(data.WALLETS)
    for wallet in found.values():
        assert (wallet.auth_method, wallet.jwks) == (NONE, None)
        assert {PRE_AUTHORIZED_CODE, clients.AUTHORIZATION_CODE} <= set(wallet.grant_types)
        assert wallet.client_metadata["authorization_details_types"] == ["openid_credential"]
    assert stand.environ_for(8000, "", "")["KABAO_ANONYMOUS_WALLET_CLIENT"] in found
    data._clients(session, settings, tmp_path)  # once more changes nothing


@pytest.mark.parametrize("today", [date(2026, 11, 30), date(2028, 6, 1), date(2030, 1, 1), date(2044, 2, 29)], ids=str)
def test_what_the_city_holds_is_renewed_for_as_long_as_there_are_years(today: date) -> None:
    terms = [holding.term_on(today) for holding in city.HOLDINGS]
    assert all(since <= today and (until is None or until >= today) for since, until in terms)
    lasting = [
        (holding.until - holding.since, until - since)
        for holding, (since, until) in zip(city.HOLDINGS, terms, strict=True)
        if holding.until and until
    ]
    assert lasting
    assert all(abs((now - then).days) <= 1 for then, now in lasting), "no longer than its type lets it be"
