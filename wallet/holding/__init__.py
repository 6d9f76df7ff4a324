"""The holder's side of a licence: the cards of the wallet, each card's page, and the history of its uses.

Owns how a card looks and what of it is masked; the facts are the register's, the codes that are shown are
`wallet.presenting`'s.
"""
