"""Who are you: numbers and the people and organisations they name, sign-in and its sessions, OAuth 2 and OpenID Connect.

Owns every proof of identity and every caller that the guard admits. Knows nothing of licences.
"""
