"""The daemon on every managed instance."""

__version__ = "0.1.0"
