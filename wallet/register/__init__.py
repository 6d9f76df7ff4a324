"""The register: what licences there can be, who may do what with them, and each licence with its state.

Owns the catalogue of licence types, departments with their authority and officers, licence identifiers, and licences.
Knows nothing of credentials: what is signed from a licence is `wallet.issuing`'s.
"""
