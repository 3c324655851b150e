"""How the command line ends."""

from __future__ import annotations

EXIT_OK = 0
EXIT_UNHEALTHY = 1
"""Not healthy (status), or something that is needed does not work (check)."""
EXIT_BAD_SETTINGS = 2
