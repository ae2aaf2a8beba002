"""Where variables come from: the process's environment, systemd's credentials, and .env."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from xora_agent.errors import FileError

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_LARGEST = 1 << 20


class Environment:
    """Variables that can be read again while the agent runs.

    What the process was started with wins over .env. systemd's EnvironmentFile= hands .env over as
    the process's environment, which stays as it was at the start: a variable that had the same
    value in both follows .env.
    """

    def __init__(self, process: Mapping[str, str], file: Path) -> None:
        self._file = file
        self._folder = process.get("CREDENTIALS_DIRECTORY", "")
        self.trouble = ""
        first = self._of_file() or {}
        self._process = {name: value for name, value in process.items() if first.get(name) != value}
        self._at_start = {name: process[name] for name in first if name in process}

    def read(self) -> dict[str, str]:
        """Give all variables as they stand now; a file that can't be read is told in `trouble`."""
        found = self._of_file()
        if found is None:
            found = dict(self._at_start)
        return {**found, **self._of_credentials(), **self._process}

    def _of_file(self) -> dict[str, str] | None:
        self.trouble = ""
        try:
            text = read_text(self._file)
        except FileError as error:
            self.trouble = f"{error.message}: {error.why}"
            return None
        lines = list(parse_stream(io.StringIO(text or "")))
        wrong = [each.original.line for each in lines if each.error or _is_bare(each)]
        if wrong:  # the others count; what stands there may be secret, and is not shown
            self.trouble = f"line {wrong[0]} of {self._file} sets no variable"
        return {each.key: each.value for each in lines if each.key and each.value is not None}

    def _of_credentials(self) -> dict[str, str]:
        """Give systemd's credentials, a file each (systemd.exec(5), "Credentials")."""
        if not self._folder:
            return {}
        try:
            names = [file for file in Path(self._folder).iterdir() if _NAME.fullmatch(file.name)]
        except OSError as error:
            raise FileError(
                f"{self._folder} can't be read",
                why=error.strerror or "",
                hint="CREDENTIALS_DIRECTORY names it, which systemd sets: unset it elsewhere",
            ) from error
        return {file.name: (read_text(file) or "").rstrip("\n") for file in names}


def _is_bare(line: Binding) -> bool:
    return line.key is not None and line.value is None


def read_text(file: Path) -> str | None:
    """Give the text of a small file, None where there is none; raises FileError."""
    try:
        data = file.read_bytes()[: _LARGEST + 1]
        if len(data) > _LARGEST:
            raise FileError(f"{file} can't be used", why=f"it is larger than {_LARGEST} bytes")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise FileError(f"{file} can't be read", why=_brief(error)) from error


def _brief(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else "it is no UTF-8 text"
