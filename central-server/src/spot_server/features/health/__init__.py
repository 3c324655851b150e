"""Whether the server is well: for machines and for people."""
