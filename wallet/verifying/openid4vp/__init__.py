"""Asking any wallet (OpenID4VP 1.0, HAIP 1.0): the request, its request object, the answer and what came of it.

Owns what departments and portals ask for, the doors at which a wallet fetches a request and answers it, and the officer's page that asks. What is
believed is decided by `wallet.verifying.checks` alone; the wallet's side is `wallet.presenting`.
"""
