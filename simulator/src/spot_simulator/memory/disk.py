"""An instance's disk in memory: immutable contents by path, some of which are worked out when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping

Content = Hashable
"""What a file holds: text, bytes, or a frozen value. Whoever keeps a copy of a disk shares its contents."""


class Disk(MutableMapping[str, Content]):
    """Files by path, such as ``etc/services.json``. There are no folders: one exists where a file is below it."""

    def __init__(self, files: Mapping[str, Content] | None = None) -> None:
        """Copy the files."""
        self._files: dict[str, Content] = dict(files or {})
        self._open: dict[str, Callable[[], Content]] = {}

    def __getitem__(self, path: str) -> Content:
        return self._open[path]() if path in self._open else self._files[path]

    def __setitem__(self, path: str, content: Content) -> None:
        self._files[path] = content

    def __delitem__(self, path: str) -> None:
        self.close(path)
        del self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._files, *self._open]))

    def __len__(self) -> int:
        return len(self._files.keys() | self._open)

    def open(self, path: str, content: Callable[[], Content]) -> None:
        """Let a file hold whatever ``content`` returns when it is looked at, until it is closed."""
        self._open[path] = content

    def close(self, path: str) -> None:
        """Keep a file as it is now."""
        content = self._open.pop(path, None)
        if content is not None:
            self._files[path] = content()

    def has_folder(self, path: str) -> bool:
        """Whether a file is below ``path``."""
        return any(name.startswith(f"{path}/") for name in self)

    def copy(self) -> Disk:
        """Return the disk as it is now."""
        return Disk({**self._files, **{path: content() for path, content in self._open.items()}})
