"""Every private key, and whatever only a key can do: sign, seal, index. Nothing else in the house sees one.

Owns the key ring and its rotation, the suites (ES256, EdDSA), the published key set, the X.509 chains of departments,
the keys of credentials' holders, and the sealing of personal data. Knows nothing of people or licences.
"""
