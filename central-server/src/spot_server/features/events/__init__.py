"""The event log as a page and as a stream."""
