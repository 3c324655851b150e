"""Stand-ins for the world at the daemon's boundary. No fake of our own code."""
