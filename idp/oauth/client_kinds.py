"""The kinds of clients that there are: how they prove themselves and which grants they may use, by their registered names. Pure."""

PRIVATE_KEY_JWT, CLIENT_SECRET_BASIC, NONE = "private_key_jwt", "client_secret_basic", "none"
CLIENT_SECRET_POST, CLIENT_SECRET_JWT = "client_secret_post", "client_secret_jwt"
TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH = "tls_client_auth", "self_signed_tls_client_auth"
ATTEST_JWT = "attest_jwt_client_auth"  # a wallet, by its maker's word
AUTH_METHODS = (
    PRIVATE_KEY_JWT,
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_POST,
    CLIENT_SECRET_JWT,
    TLS_CLIENT_AUTH,
    SELF_SIGNED_TLS_CLIENT_AUTH,
    ATTEST_JWT,
    NONE,
)
KEY_METHODS = (PRIVATE_KEY_JWT, SELF_SIGNED_TLS_CLIENT_AUTH)  # wants `jwks` or `jwks_uri`
SECRET_METHODS = (CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, CLIENT_SECRET_JWT)  # wants a secret
AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
DEVICE_CODE, CIBA = "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"
TOKEN_EXCHANGE, JWT_BEARER = "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"
PRE_AUTHORIZED_CODE = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
GRANT_TYPES = (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, TOKEN_EXCHANGE, JWT_BEARER, PRE_AUTHORIZED_CODE, DEVICE_CODE, CIBA)
CONFIDENTIAL_GRANTS = frozenset({CLIENT_CREDENTIALS, TOKEN_EXCHANGE, JWT_BEARER, CIBA})  # never of a client that proves nothing
