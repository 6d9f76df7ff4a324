"""What every part stands on, and no more: it knows nothing of people, keys or licences.

Owns settings, the database, problems (error to response), the guard (who may call), the ledger, events,
jobs, caches, telemetry, languages and the page layout. Imports nothing of ours.
"""
