from flask import Flask

from runtime.database import transaction
from tests.idp.subjects.firms import new_firm
from wsgi import commands


def test_the_operator_sees_who_may_act_masked(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        firm = new_firm(session)
        handler_id, _ = firm.appoint(session, types={"T"}, portals={"hall"})
    group = next(one for one in commands() if one.name == "mandate")
    done = app.test_cli_runner().invoke(group, ["list", firm.organisation.number])
    assert done.exit_code == 0, done.output
    assert "Legal representative; types all, portals all; until -; stands" in done.output
    assert "Handler; types T, portals hall" in done.output
    assert firm.people[handler_id].number not in done.output
    assert app.test_cli_runner().invoke(group, ["list", "x"]).exit_code == 1
