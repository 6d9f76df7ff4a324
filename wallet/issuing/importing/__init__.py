"""Licences from files: a table (CSV or XLSX) and a mapping become the lines of a batch, and what is refused goes back as a table."""
