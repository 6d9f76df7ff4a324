"""From a licence to what can be shown of it: signed credentials, their status lists, and the interfaces of issuing departments.

Owns credentials, status lists, and the JSON views over licences, licence types, departments and events. What a
licence is, and who may issue it, is `wallet.register`'s.
"""
