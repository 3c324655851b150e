"""PyMySQL's connection, which remembers what it once read of a column instead of taking the same bytes apart for every result."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pymysql.connections import Connection
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

REMEMBERED_COLUMNS = 2048
"""About four times the columns of all tables; each takes about a kilobyte."""

# The bytes and the encoding are all that a description is made of, and nobody writes to it: who shares it cannot tell. What a migration
# changes, the server describes in other bytes.
_describe = lru_cache(maxsize=REMEMBERED_COLUMNS)(FieldDescriptorPacket)


class RememberingConnection(Connection):
    """Reads the same as its base. Every result begins with a packet for each of its columns, and PyMySQL parses those in Python."""

    def _read_packet(self, packet_type: Any = MysqlPacket) -> Any:  # noqa: ANN401 - as in PyMySQL
        is_column = packet_type is FieldDescriptorPacket
        return super()._read_packet(_describe if is_column else packet_type)  # type: ignore[no-untyped-call]
