"""Addresses of fronts that AWS knows by a name: a load balancer's, and a client's way through a DNS name."""

_FIRST_OF_FRONTS = 8
"""Of the sixteen blocks of a region, the first eight are for Elastic IPs."""


class FrontAddresses:
    """Gives them out, each once."""

    def __init__(self, block: str) -> None:
        """``block`` is the first ``127.20.x`` of the region."""
        self._block, self._count = block, 0

    def new(self) -> str:
        """Return the next one."""
        self._count += 1
        first, second, third = self._block.split(".")
        high, low = divmod(self._count, 250)
        return f"{first}.{second}.{int(third) + _FIRST_OF_FRONTS + high}.{low + 1}"
