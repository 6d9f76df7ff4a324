"""Callers who act for a department at its desk."""

from flask import g

from idp.signin.assurance import TWO_FACTORS
from idp.signin.callers import at_least, matched
from idp.signin.operators import is_operator
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import NotAllowed
from wallet.register.departments import departments_of_officer


class NotAnOfficer(NotAllowed):
    """Someone signed in who acts for no department."""

    code, status, title = "not-an-officer", 403, Text("仅限部门工作人员使用。", "This is for officers of departments.")


class OfficerCaller:
    """A person signed in who acts for a department; its code is recorded as `g.officer_of` (the first, of several)."""

    name = "officer"

    def admit(self) -> None:
        """Record the department; raises NotSignedIn (or leads to the sign-in page) and NotAnOfficer."""
        matched.admit()
        with transaction() as session:
            codes = departments_of_officer(session, g.signed_in.subject_id)
        if not codes:
            raise NotAnOfficer("acts for no department")
        g.officer_of = codes[0]


officer = OfficerCaller()


class StrongOfficerCaller:
    """An officer whose own sign-in was by two factors: what they do here lifts others."""

    name = "officer:aal2"

    def admit(self) -> None:
        """Record the department; raises what OfficerCaller does, or leads to the step-up."""
        officer.admit()
        by_two_factors.admit()


by_two_factors = at_least(aal=TWO_FACTORS)
strong_officer = StrongOfficerCaller()


class TypeOfficerCaller:
    """Someone who has to do with licence types: an officer of a department, or an operator. `g.departments` are the officer's."""

    name = "type-officer"

    def admit(self) -> None:
        """Record `g.departments` and `g.runs_it`; raises NotSignedIn (or leads to the sign-in page) and NotAnOfficer."""
        matched.admit()
        with transaction() as session:
            g.departments = departments_of_officer(session, g.signed_in.subject_id)
            g.runs_it = g.signed_in.acting_for is None and is_operator(session, g.signed_in.subject_id)
        if not g.departments and not g.runs_it:
            raise NotAnOfficer("acts for no department")


class StrongTypeOfficerCaller:
    """The same, signed in by two factors: what they write is what every licence of a type will be."""

    name = "type-officer:aal2"

    def admit(self) -> None:
        """Record what TypeOfficerCaller does; raises the same, or leads to the step-up."""
        type_officer.admit()
        by_two_factors.admit()


type_officer = TypeOfficerCaller()
strong_type_officer = StrongTypeOfficerCaller()
