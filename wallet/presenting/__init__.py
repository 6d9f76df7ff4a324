"""Presenting: what a holder shows, to one verifier, once.

Owns the codes, their single use, the pages on which a holder chooses fields and shows the code, and the wallet's answers to what others ask
(`answering`): queries, statements of a yes or no, and what fits them.
"""
