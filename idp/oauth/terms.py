"""What an authorization is good for beyond its scopes: for which resources and with which details, and who may use it. Pure.

Kept with a code and with the refresh family that follows from it, so that every token is given on the same terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idp.oauth.bindings import Binding


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one authorization.

    `resources` are those of RFC 8707, `authorization_details` what was allowed of RFC 9396, `claims` the parameter of OpenID Connect
    Core section 5.5. `jkt` is the thumbprint of the DPoP key that a code, or a public client's refresh token, is bound to (RFC 9449),
    `x5t` that of the certificate (RFC 8705 section 7.1), `instance` that of the key of the installation of a wallet that alone may refresh
    (draft-ietf-oauth-attestation-based-client-auth-07 section 10.3).
    """

    resources: tuple[str, ...] = ()
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    claims: Mapping[str, Any] | None = None
    jkt: str | None = None
    x5t: str | None = None
    instance: str | None = None

    def bound_to(self, binding: "Binding | None") -> "Terms":
        """Return the same terms for whoever has a key or certificate only; for anyone if there is none."""
        thumbprints = {binding.method: binding.thumbprint} if binding is not None else {}
        return replace(self, jkt=thumbprints.get("jkt"), x5t=thumbprints.get("x5t#S256"))

    def is_for(self, binding: "Binding | None") -> bool:
        """Whether whoever proves to have a key or certificate, or none, may use what was given on these terms."""
        if self.jkt is None and self.x5t is None:
            return True
        bound = self.bound_to(binding)
        return (bound.jkt, bound.x5t) == (self.jkt, self.x5t)

    def as_json(self) -> dict[str, Any]:
        """Return what is kept: the members that say something."""
        members = ((name, getattr(self, name)) for name in NAMES)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in members if value}


NAMES = tuple(field.name for field in fields(Terms))
PLAIN = Terms()


def read_terms(document: Mapping[str, Any]) -> Terms:
    """Return the terms of a stored document."""
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items() if name in NAMES}
    return Terms(**known)
