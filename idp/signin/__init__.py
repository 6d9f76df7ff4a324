"""Signing in: accounts, the proofs of who a browser's person is, sessions, and what people do about them on their own pages.

Owns the proof that a browser is a person's. What a portal or a system may do with that is `idp.oauth`'s. The way in, whatever the proof:
`entering` (from a proof to a session), `pending` and `second_step` (where one is not enough), `sessions`, `callers` (who is before a view).

Proofs: `passwords`, `passkey*`, `totp*`, `recovery_codes*`, `one_time_codes` and `code_pages`, `scan*` (with the phone), `proof_forms` and
`proving` (any of them, for a step-up: `step_up_pages`, `recency`, `freshness`).
The account: `accounts`, `registration`, `stated` (level 1), `proofs` and `assurance` (levels), `contacts`, `notices`, `ways_pages`, `history`
and `acts` (the sentence for each act), `export`, `closing`, `clearing`.
Back in: `recovery*`, `counter_codes`, `regaining`, `one_time_links`, `alarms` ("this was not me").
Browsers: `devices`, `device_list`, `marks`, `trusted_browsers`, `places`. Guessing: `throttle`, its sizes in `doors`.
Outwards: `senders` chooses, `smtp` and `sms` send, `sending` is the job. Acting for others: `acting`, `children_pages`, `mandate_words`.
"""
