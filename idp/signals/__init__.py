"""Shared signals: portals and departments' systems hear within seconds what changed about those whom they know.

A transmitter of the OpenID Shared Signals Framework 1.0: streams that receivers manage themselves, security event tokens (RFC 8417) that
are pushed (RFC 8935) or polled (RFC 8936), each delivered at least once and in order. It knows what happened from the ledger and from the
sessions; what happened to licences is told to it by the wallet.
"""
