"""Names that depend on the seed and on nothing else: ids, addresses, process numbers."""

import hashlib
from collections import Counter

_ID_CHARACTERS = 17
_FIRST_PID = 1000
_ADDRESSES_PER_ZONE = 512
_SPECIAL_ADDRESSES = 4


class Ids:
    """Gives out names of each kind in a fixed order."""

    def __init__(self, seed: int) -> None:
        """Two of the same seed give the same names."""
        self._seed = seed
        self._counts: Counter[str] = Counter()

    def new(self, prefix: str) -> str:
        """Return the next id such as ``i-0123456789abcdef0``."""
        self._counts[prefix] += 1
        digest = hashlib.sha256(f"{self._seed}|{prefix}|{self._counts[prefix]}".encode()).hexdigest()
        return f"{prefix}-{digest[:_ID_CHARACTERS]}"

    def pid(self) -> int:
        """Return the next process number; none is used twice in a region."""
        self._counts["pid"] += 1
        return _FIRST_PID + self._counts["pid"]

    def private_ip(self, zone_number: int) -> str:
        """Return the next address of a zone's subnet, 127.10.(2n).4 and on. Raise ``OverflowError`` when the subnet is full."""
        name = f"zone {zone_number}"
        self._counts[name] += 1
        offset = _SPECIAL_ADDRESSES - 1 + self._counts[name]
        if offset >= _ADDRESSES_PER_ZONE:
            raise OverflowError(f"the subnet of zone {zone_number} is full")
        high, low = divmod(offset, 256)
        return f"127.10.{2 * zone_number + high}.{low}"

    def mac(self) -> str:
        """Return the next hardware address."""
        self._counts["mac"] += 1
        number = self._counts["mac"]
        return "02:00:" + ":".join(f"{number >> shift & 0xFF:02x}" for shift in (24, 16, 8, 0))
