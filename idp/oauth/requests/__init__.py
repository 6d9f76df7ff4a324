"""How an authorization request reaches us: in the query, pushed beforehand, or as a signed object; and what its rarer parameters say."""
