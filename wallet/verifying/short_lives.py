"""Credentials that live a day at most and need no status: revoking one could take as long as waiting for its end. Pure.

The European reference framework lets an issuer leave revocation out where the period of validity is 24 hours or less (ARF, Annex 2, VCR_01 and
VCR_01b), and HAIP 1.0 section 6.1 lets an SD-JWT VC have `exp` without `status`. What counts is what the issuer signed in the open, from the first
moment that it names to the end. Issuers that draw `iat` from the day before make a life look longer by that, never shorter: such a one is refused,
and nothing is let pass that lives more than a day.
"""

from wallet.verifying.presentations import Presentation, is_time

LONGEST = 24 * 3600.0


def is_short(shown: Presentation) -> bool:
    """Whether what is shown names no keeper of its status and lives 24 hours at most, from when it was signed, or was to begin if that is earlier."""
    if shown.names_status:
        return False
    signed_at, begins_at, ends_at = (shown.payload.get(name) for name in ("iat", "nbf", "exp"))
    if not is_time(signed_at) or not is_time(ends_at):
        return False
    try:
        return ends_at - min(signed_at, begins_at if is_time(begins_at) else signed_at) <= LONGEST
    except OverflowError:  # of a number of hundreds of digits, which is no time of anybody's
        return False
