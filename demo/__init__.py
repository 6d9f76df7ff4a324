"""The demonstration: an embedded PostgreSQL, invented people, two portals, and the tour. Nothing in production imports it."""
