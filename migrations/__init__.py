"""The history of the database's shape (Alembic), one file a step, each with its way back."""
