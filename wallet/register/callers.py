"""Callers who act for a department at its desk."""

from flask import g

from idp.signin.assurance import TWO_FACTORS
from idp.signin.callers import at_least, matched
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
