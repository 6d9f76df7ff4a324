"""A licence as a sealed document: a PDF that looks like the licence, says it to machines, and carries the department's signature.

Owns fonts, drawing, layouts, and the seal. What a licence says is `wallet.issuing.contents`; who may have a document of it is for the views.
"""
