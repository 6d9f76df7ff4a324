"""Callers who act for a department at its desk: the one that they chose, if they serve several; no form does anything for another."""

from flask import g, request
from markupsafe import Markup

from idp.signin.assurance import TWO_FACTORS
from idp.signin.callers import at_least, matched
from idp.signin.operators import is_operator
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import NotAllowed
from runtime.rough_input import once_read
from wallet.register.departments import Action, get_department, types_under
from wallet.register.desk_choice import FIELD, check_form, departments_at_desk


class NotAnOfficer(NotAllowed):
    """Someone signed in who acts for no department."""

    code, status, title = "not-an-officer", 403, Text("仅限部门工作人员使用。", "This is for officers of departments.")


class DeskCaller:
    """An officer who is about to choose a department: `g.officer_of` is the one acted for now, `g.serves` are all that they serve."""

    name = "officer:choosing"

    def admit(self) -> None:
        """Record the departments; raises NotSignedIn (or leads to the sign-in page) and NotAnOfficer."""
        matched.admit()
        with transaction() as session:
            _record(departments_at_desk(session, g.signed_in))
        if not g.serves:
            raise NotAnOfficer("acts for no department")


class OfficerCaller:
    """A person signed in who acts for a department; its code is recorded as `g.officer_of`."""

    name = "officer"

    def admit(self) -> None:
        """Record the department; raises what DeskCaller does, and OtherDepartment for a form that was made for another."""
        choosing_officer.admit()
        _check_form()


class StrongOfficerCaller:
    """An officer whose own sign-in was by two factors: what they do here lifts others."""

    name = "officer:aal2"

    def admit(self) -> None:
        """Record the department; raises what OfficerCaller does, or leads to the step-up."""
        officer.admit()
        by_two_factors.admit()


class TypeOfficerCaller:
    """Someone who has to do with licence types: an officer of a department, or an operator. `g.departments` is the one acted for, or none."""

    name = "type-officer"

    def admit(self) -> None:
        """Record `g.departments` and `g.runs_it`; raises what OfficerCaller does."""
        matched.admit()
        with transaction() as session:
            _record(departments_at_desk(session, g.signed_in))
            g.runs_it = g.signed_in.acting_for is None and is_operator(session, g.signed_in.subject_id)
        g.departments = g.serves[:1]
        if not g.departments and not g.runs_it:
            raise NotAnOfficer("acts for no department")
        if g.departments:
            _check_form()


class StrongTypeOfficerCaller:
    """The same, signed in by two factors: what they write is what every licence of a type will be."""

    name = "type-officer:aal2"

    def admit(self) -> None:
        """Record what TypeOfficerCaller does; raises the same, or leads to the step-up."""
        type_officer.admit()
        by_two_factors.admit()


by_two_factors = at_least(aal=TWO_FACTORS)
choosing_officer = DeskCaller()
officer = OfficerCaller()
strong_officer = StrongOfficerCaller()
type_officer = TypeOfficerCaller()
strong_type_officer = StrongTypeOfficerCaller()


def as_department() -> Markup:
    """Return what a form of the desk carries, so that it is done for the department it was made for or for none."""
    serves = g.get("serves")
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, serves[0]) if serves else Markup("")


def at_desk_of() -> dict[str, object] | None:
    """Return the department that a page of the desk is for, as its head and its menu need it; None anywhere else."""
    serves = g.get("serves")
    if not serves:
        return None
    identifies = bool(types_under(department=serves[0], action=Action.IDENTIFY, now=now()))
    return {"code": serves[0], "name": get_department(serves[0]).name, "several": len(serves) > 1, "identifies": identifies}


def _record(codes: list[str]) -> None:
    g.serves = codes
    if codes:
        g.officer_of = codes[0]


def _check_form() -> None:
    if request.method == "POST":
        once_read(lambda: check_form(request.form.get(FIELD), departments=g.serves))
