"""Every document that crosses the wire, one file a document. Strict: unknown members are refused by name, lengths are bounded.

Knows nothing of ours but languages; what a document means is for the parts that read it.
"""
