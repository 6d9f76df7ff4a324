"""What the OAuth tables need not remember any more is forgotten, every minute."""

from idp.oauth import assertions, codes, cutoffs, portal_sessions, refresh_tokens, revoked_tokens
from idp.oauth.apart import waiting
from idp.oauth.exchange import pre_authorized
from idp.oauth.requests import pushed
from runtime import jobs
from runtime.clock import now


@jobs.every("* * * * *")
def prune_oauth() -> None:
    """Forget what has expired: of each table a few seconds' worth, and the rest a minute later."""
    for kept in (assertions, codes, cutoffs, refresh_tokens, revoked_tokens, portal_sessions, pre_authorized, waiting, pushed):
        kept.forget(now=now())
