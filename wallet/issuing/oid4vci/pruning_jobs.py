"""What is over goes: offers and transactions that nobody can take up any more, and credentials elsewhere that expired long ago."""

from datetime import timedelta

from runtime.clock import now
from runtime.database import prune
from runtime.jobs import every
from wallet.issuing.oid4vci import deferred, offers
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere

REMEMBERED = timedelta(days=180)


@every("29 * * * *")
def forget_offers() -> None:
    """Forget offers, transactions, and what stood in wallets elsewhere half a year after it expired."""
    moment = now()
    offers.forget(now=moment)
    deferred.forget(now=moment)
    prune(CredentialElsewhere, CredentialElsewhere.expires_at < moment - REMEMBERED)
