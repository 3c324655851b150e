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
    network: ipaddress.IPv4Network | None = None
    """Private addresses elsewhere, a /20: those of the bridge between hosts of their own."""

    @property
    def vpc_cidr(self) -> str:
        """The private addresses of this slot, 4,096 of them."""
        return str(self.network or list(_PRIVATE.subnets(new_prefix=20))[self.number])

    @property
    def subnet_cidrs(self) -> list[str]:
        """The private addresses by zone, 512 each."""
        return [str(subnet) for subnet in ipaddress.IPv4Network(self.vpc_cidr).subnets(new_prefix=23)]

    @property
    def elastic_block(self) -> str:
        """The first three numbers of this slot's Elastic IPs."""
        return f"127.20.{16 * self.number}"


def claim_slot(network: ipaddress.IPv4Network | None = None) -> Slot:
    """Take the lowest free slot; the kernel frees it when the process ends. Raise ``OSError`` if all are taken."""
    return Slot(*claim_number("spot-simulator-slot"), network)


def claim_number(name: str) -> tuple[int, socket.socket]:
    """Take the lowest of 16 numbers that no other process of this machine has under this name, for as long as the socket is open."""
    for number in range(SLOTS):
        hold = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            hold.bind(f"\0{name}-{number}")
        except OSError:
            hold.close()
            continue
        return number, hold
    raise OSError(f"all {SLOTS} numbers of {name} are taken by others on this machine")
