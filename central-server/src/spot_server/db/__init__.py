"""The database: tables, types, engine and the one transaction runner."""
