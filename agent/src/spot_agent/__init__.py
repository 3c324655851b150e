"""The daemon on every managed instance."""
