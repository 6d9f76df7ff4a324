"""What an operator's page says of how safely a client is let in is what holds for it."""

import pytest

from idp.oauth.client_kinds import ATTEST_JWT, AUTHORIZATION_CODE, PRIVATE_KEY_JWT
from idp.oauth.client_metadata import FAPI2, HAIP
from idp.oauth.clients import RegisteredClient
from idp.oauth.registration.security import OFF, STRONG, effective_security


@pytest.mark.parametrize(
    ("profile", "auth_method", "state"), [(None, PRIVATE_KEY_JWT, OFF), (FAPI2, PRIVATE_KEY_JWT, STRONG), (HAIP, ATTEST_JWT, STRONG)]
)
def test_a_profile_brings_pushed_requests_and_bound_tokens(profile: str | None, auth_method: str, state: str) -> None:
    row = RegisteredClient(
        auth_method=auth_method, grant_types=[AUTHORIZATION_CODE], client_metadata={"security_profile": profile} if profile else {}
    )
    found = {one.id: one.state for one in effective_security(row)}
    assert (found["profile"], found["par"], found["bound"], found["pkce"]) == (state, state, state, STRONG)
