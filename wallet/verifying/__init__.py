"""The other side of the counter: is what was shown true, and what may be kept of having seen it.

Owns the pure checks, verifications and draws, their signed receipts, the officer's desk, and the sealing of the ledger that receipts are
proven in. What is shown, and to whom, is the holder's affair and `wallet.presenting`'s.
"""
