"""Presenting: what a holder shows, to one verifier, once.

Owns the codes, their single use, and the pages on which a holder chooses fields and shows the code.
"""
