"""Approved apart: what is asked on one device and approved on another (RFC 8628, OpenID Connect CIBA), with the pages on which people answer."""
