"""What the OAuth tables need not remember any more is forgotten, every minute."""

from idp.oauth import assertions, codes, cutoffs, portal_sessions, refresh_tokens
from runtime import jobs
from runtime.clock import now


@jobs.every("* * * * *")
def prune_oauth() -> None:
    """Forget expired assertions, codes, cutoffs, refresh families and portals of sessions."""
    for kept in (assertions, codes, cutoffs, refresh_tokens, portal_sessions):
        kept.forget(now=now())
