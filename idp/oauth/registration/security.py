"""What a client's registration comes to, in words: how safely it is let in. Pure."""

from dataclasses import dataclass

from idp.oauth.client_kinds import AUTHORIZATION_CODE, NONE, SECRET_METHODS
from idp.oauth.client_metadata import ClientMetadata, read_metadata
from idp.oauth.clients import RegisteredClient
from runtime.languages import Text

STRONG, FAIR, OFF = "valid", "suspended", "not-yet-valid"
REQUIRED, OPTIONAL, NOT_USED = Text("必须", "required"), Text("可选", "optional"), Text("不适用", "not used")
PKCE = Text("PKCE（S256）", "PKCE (S256)")


@dataclass(frozen=True, slots=True)
class Safeguard:
    """One safeguard: what it is, how it stands, and the state that says so in colour and shape."""

    id: str
    name: Text
    word: Text
    state: str


def effective_security(row: RegisteredClient) -> list[Safeguard]:
    """Return how each safeguard stands for a client, what its profile brings included."""
    said, signs_in = read_metadata(row.client_metadata), AUTHORIZATION_CODE in row.grant_types
    is_strict = said.is_fapi2 or said.is_haip
    is_signed = said.require_signed_request_object or said.security_profile == "fapi2-message-signing"
    is_bound = said.dpop_bound_access_tokens or said.tls_client_certificate_bound_access_tokens or is_strict
    return [
        Safeguard("profile", Text("安全规范", "Profile"), _profile(said.security_profile), STRONG if is_strict else OFF),
        Safeguard("proof", Text("客户端证明", "Proof of the client"), Text(row.auth_method, row.auth_method), _proof(row.auth_method)),
        _pkce(said) if signs_in else Safeguard("pkce", PKCE, NOT_USED, OFF),
        _safeguard("par", Text("推送授权请求（PAR）", "Pushed requests (PAR)"), said.require_pushed_authorization_requests or is_strict),
        _safeguard("jar", Text("签名的授权请求（JAR）", "Signed requests (JAR)"), is_signed),
        _safeguard("bound", Text("绑定的令牌（DPoP、mTLS）", "Bound tokens (DPoP, mTLS)"), is_bound),
    ]


def _pkce(said: ClientMetadata) -> Safeguard:
    return Safeguard("pkce", PKCE, OPTIONAL if said.pkce_optional else REQUIRED, FAIR if said.pkce_optional else STRONG)


def _safeguard(name: str, title: Text, is_required: bool) -> Safeguard:  # noqa: FBT001 (a line of the table above)
    return Safeguard(name, title, REQUIRED if is_required else OPTIONAL, STRONG if is_required else OFF)


def _profile(profile: str | None) -> Text:
    return Text(profile, profile) if profile else Text("通用要求", "what holds for all")


def _proof(method: str) -> str:
    if method == NONE:
        return OFF
    return FAIR if method in SECRET_METHODS else STRONG
