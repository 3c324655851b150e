"""Bearer tokens: made, shown once, listed, revoked."""
