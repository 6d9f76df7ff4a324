"""People and organisations, each known by one number; the registries they come from, and who may act for whom.

Owns numbers, the directory of subjects, the registries' records and mandates. Knows nothing of accounts and passwords.
"""
