"""Linux namespaces: entering one, and opening a socket in another network than this process's own."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_LIBC = ctypes.CDLL(None, use_errno=True)
_ANY_KIND = 0


def enter(namespace_fd: int) -> None:
    """Put the calling thread into an open namespace; a process with one thread goes as a whole. Raise ``OSError``."""
    if _LIBC.setns(namespace_fd, _ANY_KIND) != 0:  # os.setns is there from Python 3.12 on
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def within(network_fd: int, work: Callable[[], T]) -> T:
    """Do something in another network and return its result: a socket stays in the network in which it was made."""

    def entered() -> T:
        enter(network_fd)
        return work()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="within") as pool:
        return pool.submit(entered).result()
