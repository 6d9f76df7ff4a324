"""Whom a token is bound to: the key or the certificate that its user must prove to have (RFC 9449, RFC 8705)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from idp.oauth.clients import Client

if TYPE_CHECKING:
    from idp.oauth.server import OAuthRequest

DPOP, CERTIFICATE = "jkt", "x5t#S256"


@dataclass(frozen=True, slots=True)
class Binding:
    """A confirmation method of RFC 7800 and the thumbprint of the key or certificate."""

    method: str
    thumbprint: str

    @property
    def confirmation(self) -> dict[str, str]:
        """The `cnf` of an access token."""
        return {self.method: self.thumbprint}

    @property
    def token_type(self) -> str:
        """The `token_type` of a token response."""
        return "DPoP" if self.method == DPOP else "Bearer"


def read_binding(request: "OAuthRequest", client: Client) -> Binding | None:
    """Return what the tokens of a request are to be bound to, None for a bearer's."""
    return None
