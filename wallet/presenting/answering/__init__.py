"""Answering what others ask of a wallet (OpenID4VP 1.0): the request is fetched and judged, shown to its holder, and answered once.

Owns the links, the request objects and who is behind them, what of a wallet satisfies one, and the answer. The asking side is `wallet/verifying`.
"""
