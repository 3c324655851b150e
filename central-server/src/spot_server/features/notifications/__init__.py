"""What a client must be told."""
