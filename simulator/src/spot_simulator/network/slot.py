"""A slot of loopback addresses, so that several regions can run on one machine without meeting."""

import ipaddress
import socket
from dataclasses import dataclass

SLOTS = 16
ZONES_AT_MOST = 8
_PRIVATE = ipaddress.IPv4Network("127.10.0.0/16")


@dataclass(frozen=True, slots=True)
class Slot:
    """Slot ``number`` of 16: private addresses 127.10.(16n..16n+15).x, Elastic IPs 127.20.(16n..16n+15).x. Held while ``hold`` is open."""

    number: int
    hold: socket.socket

    @property
    def vpc_cidr(self) -> str:
        """The private addresses of this slot, 4,096 of them."""
        return str(list(_PRIVATE.subnets(new_prefix=20))[self.number])

    @property
    def subnet_cidrs(self) -> list[str]:
        """The private addresses by zone, 512 each."""
        return [str(subnet) for subnet in ipaddress.IPv4Network(self.vpc_cidr).subnets(new_prefix=23)]

    @property
    def elastic_block(self) -> str:
        """The first three numbers of this slot's Elastic IPs."""
        return f"127.20.{16 * self.number}"


def claim_slot() -> Slot:
    """Take the lowest free slot; the kernel frees it when the process ends. Raise ``OSError`` if all are taken."""
    for number in range(SLOTS):
        hold = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            hold.bind(f"\0spot-simulator-slot-{number}")
        except OSError:
            hold.close()
            continue
        return Slot(number, hold)
    raise OSError(f"all {SLOTS} address slots are taken by other simulated regions on this machine")
