"""A device without a browser signs a person in: what it asks for, and how it gets its tokens (RFC 8628).

In order: who the client is and whether it may (sections 3.1, 3.4), what it asks for, then a code for the device, kept as its hash, and one for
the person, kept as a keyed index.
"""

from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import UnauthorizedClientError
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from sqlalchemy.orm import Session

from idp.oauth.apart import asking, user_codes, waiting
from idp.oauth.apart.redeeming import ApartGrant
from idp.oauth.apart.waiting import TABLE, ApartRequest, Kind, Wanted
from idp.oauth.clients import AUTH_METHODS, DEVICE_CODE, Client
from idp.oauth.server import OAuthRequest
from idp.signin import devices, throttle
from keys import sealing
from runtime.ids import new_id
from runtime.settings import Settings

LIFETIME = timedelta(minutes=10)
DOOR, START = "device code", "device"
TRIES = 5
VERIFICATION_PATH = "/device"


class DeviceRequest(OAuthRequest):
    """A request of a device: also from which address, and what it says that it is."""

    address = ""
    user_agent = ""


class DeviceGrant(ApartGrant, DeviceCodeGrant):
    """The grant: Authlib's checks of the token request, our life of a request."""

    KIND = Kind.DEVICE
    GRANT_TYPE = DEVICE_CODE
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """The endpoint that gives a device its codes (sections 3.1 and 3.2)."""

    CLIENT_AUTH_METHODS = AUTH_METHODS
    EXPIRES_IN = int(LIFETIME.total_seconds())
    INTERVAL = int(waiting.INTERVAL.total_seconds())

    def create_endpoint_response(self, request: DeviceRequest) -> tuple[int, dict[str, Any], Any]:
        """Return the codes; raises InvalidClientError, UnauthorizedClientError, InvalidScopeError, and what is wrong with the terms."""
        client: Client = self.authenticate_client(request)
        if not client.check_grant_type(DEVICE_CODE) or client.metadata.is_fapi2:
            raise UnauthorizedClientError("The client may not use the device grant.")
        asked = asking.people_scopes(request, client)
        asking.settle_terms(request, client)
        secret, user_code = self._keep(request, Wanted(client.client_id, asked, request.terms, LIFETIME))
        where = request.settings.public_url + VERIFICATION_PATH
        return asking.found(
            {
                "device_code": secret,
                "user_code": user_code,
                "verification_uri": where,
                "verification_uri_complete": f"{where}?user_code={user_code}",
                "expires_in": self.EXPIRES_IN,
                "interval": self.INTERVAL,
            }
        )

    def _keep(self, request: DeviceRequest, wanted: Wanted) -> tuple[str, str]:
        session, secret = request.session, waiting.new_secret()
        about = devices.describe(session, address=request.address, user_agent=request.user_agent)
        address_key = throttle.Try(START, "", request.address).address_key()
        for _ in range(TRIES):
            user_code, row_id = user_codes.new_code(), new_id()
            more = {"about_sealed": about.seal(table=TABLE, row=row_id), "user_code_index": _index(user_code), "address_key": address_key}
            if waiting.add(session, wanted, kind=Kind.DEVICE, secret=secret, now=request.now, row_id=row_id, **more):
                return secret, user_code
        raise throttle.SlowDown("no user code is free", retry_after=60)


def find_by_code(session: Session, user_code: str, *, now: datetime) -> ApartRequest | None:
    """Return the request of a user code, as `user_codes.read` gives it, if it waits for its answer."""
    table = ApartRequest
    row = session.query(table).filter(table.user_code_index.in_(sealing.indexes_of(_named(user_code)))).one_or_none()
    return row if row is not None and row.answered_at is None and row.expires_at > now else None


def announced(settings: Settings) -> dict[str, Any]:
    """Return what the metadata say of the endpoint (section 4)."""
    return {"device_authorization_endpoint": f"{settings.public_url}/device_authorization"}


def _index(user_code: str) -> bytes:
    return sealing.index_of(_named(user_code))


def _named(user_code: str) -> str:
    return f"device:{user_code}"
