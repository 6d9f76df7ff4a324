"""openid-client (npm) comes with a certificate, over Node's own TLS, through the proxy."""

import jwt
import pytest

from tests.idp.oauth.test_mutual_tls import EVENTS, SUBJECT, Stand, thumbprint_of
from tests.idp.oauth.test_mutual_tls import stand as stand
from tests.interop.conftest import Program

pytestmark = pytest.mark.interop


def test_openid_client_proves_itself_by_its_certificate(node: Program, stand: Stand) -> None:
    metadata = {"tls_client_auth_subject_dn": SUBJECT, "tls_client_certificate_bound_access_tokens": True}
    client_id, identity = stand.register(metadata=metadata), stand.authority.issue(SUBJECT)
    told = stand.app.test_client().get("/.well-known/openid-configuration").json
    cert, key = identity.files
    answer = node(
        "mutual",
        metadata=told,
        client_id=client_id,
        scope="events",
        cert=cert,
        key=key,
        ca=stand.authority.file,
        resource=stand.proxy.url + EVENTS,
    )
    assert (answer["token_type"], answer["status"]) == ("bearer", 200)
    assert jwt.decode(answer["access_token"], options={"verify_signature": False})["cnf"] == {"x5t#S256": thumbprint_of(identity)}
