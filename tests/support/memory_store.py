"""A store in memory that keeps its preconditions, counts what is done, and breaks when told."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from toolkit.errors import ConflictError, StoreError
from toolkit.store import Entry, Stored, pieces
from toolkit.uploads import Absent, Unchanged, Upload


@dataclass
class MemoryStore:
    """Files by name. `breaks_before` is how many writes and deletions succeed before one fails;
    `unreadable` are names whose reading fails; `before_write` is called with each upload."""

    files: dict[str, bytes] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    breaks_before: int | None = None
    unreadable: set[str] = field(default_factory=set)
    before_write: Callable[[Upload], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def locate(self, name: str) -> str:
        return f"memory:{name}"

    @contextmanager
    def read(self, name: str) -> Iterator[Stored | None]:
        if name in self.unreadable:
            raise StoreError(f"could not read {name}", why="403 Forbidden")
        data = self.files.get(name)
        yield None if data is None else Stored(len(data), iter([data]), _etag(data))

    def look(self, name: str) -> Entry | None:
        data = self.files.get(name)
        return None if data is None else Entry(len(data), _etag(data), None)

    def write(self, upload: Upload, sent: Callable[[int], None]) -> None:
        if self.before_write:
            self.before_write(upload)
        data = b"".join(pieces(upload.body))
        with self._lock:
            self._break()
            there = self.files.get(upload.name)
            match upload.only_if:
                case Absent() if there is not None:
                    raise ConflictError(f"{upload.name} is there")
                case Unchanged(etag) if there is None or _etag(there) != etag:
                    raise ConflictError(f"{upload.name} has changed")
            self.files[upload.name] = data
            self.written.append(upload.name)
        sent(len(data))

    def delete(self, name: str) -> None:
        self._break()
        self.files.pop(name, None)

    def names(self, prefix: str = "") -> frozenset[str]:
        return frozenset(name for name in self.files if name.startswith(prefix))

    def _break(self) -> None:
        if self.breaks_before is not None:
            if self.breaks_before == 0:
                raise StoreError("the network is gone")
            self.breaks_before -= 1


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
