"""The desk of an issuing department: officers issue, find and change licences, look over each other's shoulder, and see what ends soon.

It does nothing that a department's system could not ask for by API, and by the same functions.
"""
