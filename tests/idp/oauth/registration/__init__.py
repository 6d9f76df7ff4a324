"""idp/oauth/registration: tests."""
