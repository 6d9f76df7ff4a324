"""idp/oauth: tests."""
