"""Instructions to daemons."""
