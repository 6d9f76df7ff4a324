"""A recent sign-in, for what changes how one signs in: who finds a session open may not make themselves at home in it."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from idp.signin import second_step
from idp.signin.assurance import ONE_FACTOR, TWO_FACTORS, aal_of
from idp.signin.sessions import SignedIn
from runtime.languages import Text
from runtime.problems import Refusal

RECENT = timedelta(minutes=10)


class ProveAgain(Refusal):
    """The proof is not recent or not strong enough for this; `go` is the page where another is given."""

    code, status, title = "prove-again", 403, Text("请先再次验证是您本人。", "Show once more that it is you.")


def is_recent(auth_time: datetime, *, now: datetime, within: timedelta = RECENT) -> bool:
    """Whether somebody proved who they are within the last minutes.

    A proof from the future is none: it was given where a clock is wrong, and would count as recent for as long as that is.
    """
    return abs(now - auth_time) <= within


def way_to_prove(session: Session, signed_in: SignedIn, *, goal: str, now: datetime) -> str | None:
    """Return the path on which a person proves once more who they are and gets to `goal`; None if their proof will do.

    It will do if it is ten minutes old at most and as strong as that person can give: a password alone where there is nothing more.
    """
    further = second_step.raising_ways(session, signed_in.subject_id, signed_in.amr, aal=TWO_FACTORS)  # a code by mail is none
    strongest = TWO_FACTORS if further else ONE_FACTOR
    if is_recent(signed_in.auth_time, now=now) and aal_of(signed_in.amr) >= strongest:
        return None
    return "/signin/step-up?" + urlencode({"aal": strongest, "next": goal})


def check_recent(session: Session, signed_in: SignedIn, *, goal: str, now: datetime) -> None:
    """Check that a person's proof is recent and strong enough; raises ProveAgain."""
    go = way_to_prove(session, signed_in, goal=goal, now=now)
    if go is not None:
        raise ProveAgain("an old or a weak proof", go=go)
