"""Route 53: zones with A records, changes that take their time, and a client's resolver that keeps what it was told."""
