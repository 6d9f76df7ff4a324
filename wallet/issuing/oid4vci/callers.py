"""Wallets that come with an access token for credentials: for this issuer, of a holder, with what the holder allowed."""

from idp.oauth import profiles, resources
from idp.oauth.access_tokens import AccessToken
from idp.oauth.callers import Bearer, InsufficientScope, Shown
from idp.oauth.clients import find_client
from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing.credential_details import OPENID_CREDENTIAL


class NotUnderHaip(InsufficientScope):
    """The installation is held to HAIP, and this wallet's registration is not (`security_profile`)."""

    title = Text("这里只向登记为 haip 的卡包签发。", "Only wallets that are registered as haip get credentials here.")


class WalletCaller(Bearer):
    """Someone with a token whose audience is the credential issuer; records it as `g.token`."""

    def __init__(self) -> None:
        super().__init__(())
        self.name = "bearer:credentials"

    def audience(self, settings: Settings) -> str:
        """Return the credential issuer."""
        return resources.credential_issuer(settings)

    def check_scope(self, token: AccessToken, shown: Shown, settings: Settings) -> None:
        """Check that the token is a holder's and for credentials, by a wallet that the installation's policy takes; raises InsufficientScope."""
        client = find_client(token.client_id)
        has_details = any(one.get("type") == OPENID_CREDENTIAL for one in token.terms.authorization_details)
        if token.holder_id is None or not has_details or client is None:
            raise InsufficientScope("the token is not for credentials", headers=shown.challenge("insufficient_scope"))
        if not profiles.may_have_credentials(client, settings):
            raise NotUnderHaip("the wallet is not registered as haip", headers=shown.challenge("insufficient_scope"))


wallet = WalletCaller()
