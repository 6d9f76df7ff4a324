import base64
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from flask import Flask

from keys import certificates, ring
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.settings import Settings
from tests.world_people import credit_code
from tests.world_wallet import apply_catalogue
from wallet.register import departments
from wallet.register.catalogue import all_types
from wallet.register.departments import Action, DepartmentNotFound, DepartmentRefused, NoAuthority

TYPE, OTHER = "11100000000013127D001", "11100000MB0143028R001"
pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def code(context: None, settings: Settings) -> str:
    apply_catalogue()
    code = credit_code(kind="11")
    with transaction() as session:
        departments.add_department(session, settings, code=code, name=Text("示例市公安局", "Example Police"), now=now())
    return code


def test_a_department_signs_with_a_chain_of_its_own(code: str, settings: Settings) -> None:
    signer = ring.signer(certificates.department_use(code))
    leaf = x509.load_der_x509_certificate(base64.b64decode(signer.chain[0]))  # type: ignore[index]
    leaf.verify_directly_issued_by(certificates.root_certificate())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"{settings.public_url}/departments/{code}"]
    assert departments.get_department(code).name == Text("示例市公安局", "Example Police")


def test_a_department_is_added_once_and_by_a_sound_code(code: str, settings: Settings) -> None:
    for wrong in (code, code[:-1] + ("0" if code[-1] != "0" else "1"), "", "11"):
        with pytest.raises(DepartmentRefused), transaction() as session:
            departments.add_department(session, settings, code=wrong, name=Text("某局", "Some office"), now=now())


def test_a_department_that_there_is_not_is_not_found() -> None:
    with pytest.raises(DepartmentNotFound):
        departments.get_department("11379999000010014D")


def test_an_authority_is_for_one_action_on_one_type(code: str) -> None:
    with transaction() as session:
        departments.grant(session, department=code, type_code=TYPE, action=Action.ISSUE, now=now())
    departments.check_authority(department=code, type_code=TYPE, action="issue", now=now())
    for type_code, action in ((TYPE, "draw"), (OTHER, "issue")):
        with pytest.raises(NoAuthority):
            departments.check_authority(department=code, type_code=type_code, action=action, now=now())


def to_anyone(action: Action) -> set[str]:
    """Return the types with which every department may do something, which other tests may have brought in."""
    return {one.code for one in all_types() if action.value in one.open_to}


def test_an_authority_begins_when_it_is_given_and_ends_when_it_is_said_to(code: str) -> None:
    begun = now()
    with transaction() as session:
        departments.grant(session, department=code, type_code=TYPE, action=Action.DRAW, now=begun, valid_until=begun + timedelta(days=1))
    assert departments.types_under(department=code, action="draw", now=begun) - to_anyone(Action.DRAW) == {TYPE}
    for when in (begun - timedelta(seconds=1), begun + timedelta(days=1)):
        assert departments.types_under(department=code, action="draw", now=when) - to_anyone(Action.DRAW) == set()


def test_an_authority_that_is_given_again_has_held_since_then_if_it_had_ended_and_since_ever_if_not(code: str) -> None:
    def given(at: datetime, until: datetime | None) -> datetime:
        with transaction() as session:
            terms = {"type_code": TYPE, "action": Action.ISSUE, "valid_until": until}
            return departments.grant(session, department=code, now=at, **terms).valid_from

    first = now() - timedelta(days=30)
    assert given(first, first + timedelta(days=20)) == first
    assert given(first + timedelta(days=10), first + timedelta(days=20)) == first, "it was renewed while it held"
    assert given(moment := first + timedelta(days=29), None) == moment, "in between it had none"


def test_a_withdrawn_authority_is_gone_at_once(code: str) -> None:
    with transaction() as session:
        departments.grant(session, department=code, type_code=TYPE, action=Action.SUPERVISE, now=now())
    assert departments.types_under(department=code, action=Action.SUPERVISE, now=now()) - to_anyone(Action.SUPERVISE) == {TYPE}
    with transaction() as session:
        departments.withdraw(session, department=code, type_code=TYPE, action=Action.SUPERVISE, now=now())
    assert departments.types_under(department=code, action=Action.SUPERVISE, now=now()) - to_anyone(Action.SUPERVISE) == set()
    with pytest.raises(NoAuthority), transaction() as session:
        departments.withdraw(session, department=code, type_code=TYPE, action=Action.SUPERVISE, now=now())


def test_the_command_line_adds_grants_and_says_what_is_wrong(app: Flask) -> None:
    from wallet.register.commands import department, licence_type

    code, runner = credit_code(kind="11"), app.test_cli_runner()
    assert runner.invoke(licence_type, ["apply"]).exit_code == 0
    assert "0 of " in runner.invoke(licence_type, ["apply", "--dry-run"]).output
    assert runner.invoke(department, ["add", code, "某局", "Some office"]).exit_code == 0
    assert runner.invoke(department, ["grant", code, "issue", "driving-licence", "resident-identity-card"]).exit_code == 0
    assert len(departments.types_under(department=code, action="issue", now=now())) == 2
    for arguments in (["add", code, "某局", "Some office"], ["grant", code, "issue", "no-such-type"], ["officer", code, "379999199001010000"]):
        refused = runner.invoke(department, arguments)
        assert refused.exit_code == 1
        assert refused.output.startswith("Error: ")
