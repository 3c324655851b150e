"""One file per thread: its step, and nothing of its loop."""
