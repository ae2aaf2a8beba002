"""The door to agentctl on a host: takes an order, brings agentctl where it lacks, calls it.

Ansible's module agent_release and `toolkit fleet` both go through it, and do the same on a host:
an order is a JSON object, and so is the answer (docs/ansible.md). What an installation does is all
agentctl's; here stands how it is called, and how it gets there.

Secrets of an order go to agentctl by its standard input: in no argument list, and in no file but
those that agentctl itself writes. It needs Python's standard library alone.

It is one file, longer than others, on purpose: over ssh it goes as one text to `python3 -c`, where
there is no package that a second file could be imported from.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import urllib.request

Order = dict[str, Any]
Answer = dict[str, Any]
SCHEMA = 1
# These may bring another agentctl with them: it replaces the one that is on the host.
BRINGING = ("install", "upgrade")
CHANGING = ("install", "upgrade", "configure", "rollback", "uninstall")
TELLING = ("status", "history", "doctor")
NOT_INSTALLED = 4
TRIES = (0, 1, 3)
LIMIT = 32_000_000


class Refused(Exception):
    """The order can't be carried out; `code` is one of agentctl's exit codes."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        """Say what happened, and what to do."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def carry_out(order: Order) -> Answer:
    """Do on this host what `order` says; gives the answer, also where it could not be done.

    With `check`, nothing is changed, and the answer says what would be.
    """
    try:
        return _carry_out(order)
    except Refused as error:
        return _answer(code=error.code, message=error.message, hint=error.hint)


def _carry_out(order: Order) -> Answer:
    if order.get("schema") != SCHEMA:
        raise Refused(
            2,
            f"the order has format {order.get('schema')}, and this door reads {SCHEMA}",
            "use module and toolkit of the same version",
        )
    home = home_of(order)
    if order["verb"] == "uninstall" and not home.is_dir():
        return _answer(diff={"before": "", "after": ""})
    given = standard_input(order)
    with _agentctl(order, home) as program, _root_file(order) as root:
        argv = [sys.executable, str(program), *arguments(order, home, root)]
        done = subprocess.run(argv, input=given, capture_output=True, check=False)
    return understood(order["verb"], done.returncode, _text(done.stdout), _text(done.stderr))


def home_of(order: Order) -> Path:
    """Give the service's folder."""
    return Path(order.get("home") or f"/opt/{order.get('service') or order['name']}")


def arguments(order: Order, home: Path, root: str) -> list[str]:
    """Give agentctl's arguments; `root` is the file that holds the order's root metadata."""
    verb = order["verb"]
    if verb == "install":
        return _install(order, home, root)
    words = [verb, "--home", str(home)]
    if verb in TELLING or verb in CHANGING:
        words.append("--json")
    if verb == "upgrade":
        words += _which(order, "--to") + _trying(order)
    elif verb == "rollback":
        words += _option("--to", order.get("version")) + _trying(order)
    elif verb == "uninstall":
        words += _flag("--keep-data", order.get("keep_data"))
    if verb in CHANGING:
        words += _flag("--check", order.get("check"))
    return words + [str(word) for word in order.get("arguments") or []]


def _install(order: Order, home: Path, root: str) -> list[str]:
    trust = order.get("trust") or {}
    words = ["install", order["name"], "--home", str(home), "--json", "--settings-stdin"]
    words += _option("--service", order.get("service"))
    words += ["--store", order["store"]]
    words += _flag("--store-header-stdin", order.get("store_header"))
    words += _flag("--store-header-over-http", order.get("store_header_over_http"))
    words += _option("--process-manager", order.get("process_manager"))
    words += _option("--user", order.get("user"))
    words += _which(order, "--version")
    words += ["--root", root] if root else []
    for row in trust.get("tarballs") or ():
        words += ["--tarball", *(str(word) for word in row)]
    return words + _trying(order) + _flag("--check", order.get("check"))


def _which(order: Order, version: str) -> list[str]:
    """Name the version, or else the channel that says which."""
    if order.get("version"):
        return [version, order["version"]]
    return _option("--channel", order.get("channel"))


def _trying(order: Order) -> list[str]:
    words = _option("--watch", order.get("watch")) + _option("--keep", order.get("keep"))
    return words + _flag("--again", order.get("again"))


def _option(name: str, value: object) -> list[str]:
    return [] if value is None or value == "" else [name, str(value)]


def _flag(name: str, wanted: object) -> list[str]:
    return [name] if wanted else []


def standard_input(order: Order) -> bytes:
    """Give what agentctl reads: the store's header, then settings, each ended by a NUL."""
    if order["verb"] not in ("install", "configure"):
        return b""
    records = []
    if order["verb"] == "install" and order.get("store_header"):
        records.append(order["store_header"])
    for name, value in sorted((order.get("settings") or {}).items()):
        records.append(f"{name}={_value(name, value)}")
    if any("\0" in record for record in records):
        raise Refused(2, "a setting or the store's header has a NUL in it")
    return "".join(record + "\0" for record in records).encode("utf-8")


def _value(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise Refused(
        2,
        f"the setting {name} is of the type {type(value).__name__}, and a variable holds text",
        "write the value in quotes",
    )


@contextmanager
def _agentctl(order: Order, home: Path) -> Iterator[Path]:
    """Give the path of the agentctl to call: the one on the host, or the one that was sent for.

    Raises Refused where there is neither.
    """
    there, wanted, verb = home / "agentctl", order.get("agentctl") or {}, order["verb"]
    if there.is_file():
        if verb not in BRINGING or not wanted or _sha256(_read(there)) == wanted["sha256"]:
            yield there
            return
    elif not wanted or verb not in (*BRINGING, "uninstall"):
        raise Refused(
            NOT_INSTALLED, f"nothing is installed in {home}", "install it, or name its folder"
        )
    data = _verified(_brought(order), wanted)
    with tempfile.TemporaryDirectory(prefix="agentctl-") as folder:
        path = Path(folder, "agentctl")
        path.write_bytes(data)
        yield path


def _brought(order: Order) -> bytes:
    wanted = order["agentctl"]
    if wanted.get("data"):
        try:
            return base64.b64decode(wanted["data"], validate=True)
        except (ValueError, binascii.Error):
            raise Refused(2, "the bytes of agentctl in the order are damaged") from None
    if wanted.get("path"):
        return _read(Path(wanted["path"]))
    if order["store"].startswith("/"):
        return _read(Path(order["store"], wanted["name"]))
    return _download(order, wanted["name"])


def _verified(data: bytes, wanted: Order) -> bytes:
    if _sha256(data) == wanted["sha256"]:
        return data
    raise Refused(
        21,
        "agentctl is not the file that was ordered (its SHA-256 differs)",
        "do not install from this store before you know why; then order anew",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(20, f"{path} can't be read: {error.strerror}") from error


def _download(order: Order, name: str) -> bytes:
    import urllib.error  # noqa: PLC0415 - long to read, and most hosts have their agentctl

    address = f"{order['store'].rstrip('/')}/{urllib.parse.quote(name)}"
    fault = ""
    for seconds in TRIES:
        time.sleep(seconds)
        try:
            with _opener().open(_request(order, address), timeout=30) as answer:
                return bytes(answer.read(LIMIT))
        except urllib.error.HTTPError as error:
            fault = f"HTTP {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, ValueError) as error:
            fault = str(getattr(error, "reason", error))
    raise Refused(
        20,
        f"{address} can't be fetched: {fault}",
        "look at the host's network, proxy and clock, and whether the store serves that file",
    )


def _opener() -> urllib.request.OpenerDirector:
    import urllib.request  # noqa: PLC0415 - as above

    return urllib.request.build_opener()


def _request(order: Order, address: str) -> urllib.request.Request:
    import urllib.request  # noqa: PLC0415 - as above

    request = urllib.request.Request(address)
    header = order.get("store_header")
    if not header:
        return request
    if ":" not in header:
        raise Refused(2, "store_header is no header", "say it so: Authorization: Bearer TOKEN")
    parts = urllib.parse.urlsplit(address)
    near = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not near and not order.get("store_header_over_http"):
        raise Refused(
            11,
            f"{order['store']} is not https: the network could read the store's header",
            "use the store's https address; or say store_header_over_http",
        )
    key, value = header.split(":", 1)
    # An unredirected header is one that urllib does not copy to where a redirect leads.
    request.add_unredirected_header(key.strip(), value.strip())
    return request


@contextmanager
def _root_file(order: Order) -> Iterator[str]:
    """Give the name of a file with the order's root metadata, or nothing where it has none."""
    root = (order.get("trust") or {}).get("root")
    if not root or order["verb"] != "install":
        yield ""
        return
    with tempfile.NamedTemporaryFile(prefix="agentctl-root-") as file:
        file.write(root.encode("utf-8"))
        file.flush()
        yield file.name


def understood(verb: str, code: int, stdout: str, stderr: str) -> Answer:
    """Give the answer that agentctl's exit code and texts mean."""
    told = _json(stdout) if verb in CHANGING + TELLING else None
    fields = told if isinstance(told, dict) else {}
    fault = fields.get("error") or ({} if code == 0 or fields else _complaint(stderr))
    if verb in CHANGING:
        return _changed(fields, fault, code)
    if verb == "status" and fields and not fault:
        fault = {"message": fields.get("fault") or ""}
    return _answer(code=code, data=told, stdout=stdout if told is None else "", **_fault(fault))


def _changed(fields: Answer, fault: Answer, code: int) -> Answer:
    before, after = fields.get("before"), fields.get("after")
    steps = list(fields.get("changed") or ())
    return _answer(
        code=code,
        steps=steps,
        before=before,
        after=after,
        changed=bool(steps) or before != after,
        diff={"before": _lines(before), "after": _lines(after)},
        **_fault(fault),
    )


def _fault(fault: Answer) -> Answer:
    names = ("message", "why", "hint", "reverted")
    return {name: fault[name] for name in names if fault.get(name)}


def _complaint(stderr: str) -> Answer:
    """Read what agentctl said where it could print no JSON."""
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    hint = [line.partition("do:")[2].strip() for line in lines if line.startswith("  do:")]
    message = next((line for line in lines if "error: " in line), lines[-1] if lines else "")
    return {
        "message": message.partition("error: ")[2] or message or "agentctl said nothing",
        "why": "\n".join(lines[-20:]) if "Traceback" in stderr else "",
        "hint": hint[0] if hint else "",
    }


def _lines(found: Answer | None) -> str:
    return "" if found is None else json.dumps(found, indent=2, sort_keys=True) + "\n"


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _answer(code: int = 0, **more: Any) -> Answer:
    return {
        "schema": SCHEMA,
        "ok": code == 0,
        "code": code,
        "changed": False,
        "before": None,
        "after": None,
        "steps": [],
        "message": "",
        "why": "",
        "hint": "",
        "reverted": False,
        **more,
    }


def main() -> int:
    """Carry out the order on standard input, and print the answer."""
    sys.stdout.write(json.dumps(carry_out(json.load(sys.stdin))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
