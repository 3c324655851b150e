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
        self._mounted: dict[str, Disk] = {}

    def __getitem__(self, path: str) -> Content:
        disk, name = self._where(path)
        if disk is not None:
            return disk[name]
        return self._open[path]() if path in self._open else self._files[path]

    def __setitem__(self, path: str, content: Content) -> None:
        disk, name = self._where(path)
        if disk is not None:
            disk[name] = content
        else:
            self._files[path] = content

    def __delitem__(self, path: str) -> None:
        disk, name = self._where(path)
        if disk is not None:
            del disk[name]
        else:
            self.close(path)
            del self._files[path]

    def __iter__(self) -> Iterator[str]:
        own = [path for path in dict.fromkeys([*self._files, *self._open]) if self._where(path)[0] is None]
        return iter([*own, *(f"{folder}/{name}" for folder, disk in self._mounted.items() for name in disk)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def open(self, path: str, content: Callable[[], Content]) -> None:
        """Let a file hold whatever ``content`` returns when it is looked at, until it is closed."""
        disk, name = self._where(path)
        if disk is not None:
            disk.open(name, content)
        else:
            self._open[path] = content

    def close(self, path: str) -> None:
        """Keep a file as it is now."""
        disk, name = self._where(path)
        if disk is not None:
            disk.close(name)
        elif path in self._open:
            self._files[path] = self._open.pop(path)()

    def close_all(self) -> None:
        """Keep all files of this disk as they are now."""
        for path in list(self._open):
            self._files[path] = self._open.pop(path)()

    def mount(self, folder: str, disk: Disk) -> None:
        """Let all paths below ``folder`` be those of another disk; what is below it here is hidden until that is unmounted."""
        self._mounted[folder] = disk

    def unmount(self, folder: str) -> None:
        """Show this disk's own again. Files that are open on the other one stay as they are now."""
        self._mounted.pop(folder).close_all()

    def has_folder(self, path: str) -> bool:
        """Whether a file is below ``path``."""
        return any(name.startswith(f"{path}/") for name in self)

    def copy(self) -> Disk:
        """Return the disk as it is now, without what is mounted on it."""
        return Disk({**self._files, **{path: content() for path, content in self._open.items()}})

    def _where(self, path: str) -> tuple[Disk | None, str]:
        """Return the mounted disk that a path is on, with the path there; None for this disk."""
        for folder, disk in self._mounted.items():
            if path.startswith(f"{folder}/"):
                return disk, path[len(folder) + 1 :]
        return None, path
