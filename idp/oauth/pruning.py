"""What the OAuth tables need not remember any more is forgotten, every minute."""

from idp.oauth import assertions, codes, cutoffs, portal_sessions, refresh_tokens
from idp.oauth.apart import waiting
from runtime import jobs
from runtime.clock import now


@jobs.every("* * * * *")
def prune_oauth() -> None:
    """Forget expired assertions, codes, cutoffs, refresh families, portals of sessions and requests that waited."""
    for kept in (assertions, codes, cutoffs, refresh_tokens, portal_sessions, waiting):
        kept.forget(now=now())
