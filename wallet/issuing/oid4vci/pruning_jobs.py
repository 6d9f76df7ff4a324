"""What is over goes: offers and transactions that nobody can take up any more, credentials that outlived a mandate or expired long ago."""

from datetime import timedelta

from runtime.clock import now
from runtime.database import prune, transaction
from runtime.jobs import every
from wallet.issuing.oid4vci import deferred, elsewhere, offers
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere

REMEMBERED = timedelta(days=180)


@every("29 * * * *")
def forget_offers() -> None:
    """Forget offers, transactions, and what stood in wallets elsewhere half a year after it expired."""
    moment = now()
    offers.forget(now=moment)
    deferred.forget(now=moment)
    prune(CredentialElsewhere, CredentialElsewhere.expires_at < moment - REMEMBERED)


@every("*/5 * * * *")
def end_outlived_credentials() -> None:
    """End what people fetched into wallets for whom they may act no longer since the time of their mandate is over."""
    with transaction() as session:
        elsewhere.end_of_time(session, now=now())
