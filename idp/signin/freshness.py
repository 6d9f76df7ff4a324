"""A caller who has just shown who they are, as strongly as they can: for what must not be done in a browser that was left open.

Whoever has an authenticator, a passkey or a verified mobile shows it; whoever has a password alone gives it once more.
"""

from flask import g

from idp.signin import second_step
from idp.signin.assurance import aal_of
from idp.signin.callers import GoAndRaise, signed_in
from idp.signin.recency import is_recent
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import NotAllowed, wants_page


class NotFresh(NotAllowed):
    """The sign-in is too long ago for this, or was weaker than it could be."""

    code, status, title = "not-fresh", 403, Text("请先再次验证身份。", "Show once more who you are first.")


class FreshCaller:
    """Someone signed in who has proven who they are within the last minutes; a browser is led to where that is done."""

    name = "signed_in:fresh"

    def admit(self) -> None:
        """Leave who it is in `g.signed_in`; raises NotFresh for a program."""
        signed_in.admit()
        with transaction() as session:
            demand = second_step.demanded_of(session, g.signed_in.subject_id, g.signed_in.amr)
        if not is_recent(g.signed_in.auth_time, now=now()) or aal_of(g.signed_in.amr) < demand:
            raise GoAndRaise(f"/signin/step-up?aal={demand}") if wants_page() else NotFresh("a fresh proof is asked for")


fresh = FreshCaller()
