"""The checks of `agentctl doctor` on the way to the store: names, proxy, answer, clock, trust."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolkit.host.address import public
from toolkit.host.checks import FAIL, WARN, Check, ago, length, ok
from toolkit.host.clock import SKEW, parse_time, shown
from toolkit.host.layout import Layout
from toolkit.host.storeanswer import SECONDS, Answer, proxy_for, within

# A clock that is this much off is worth a word, though nothing fails by it yet.
NOTABLE = timedelta(seconds=60)
SOON = {"root": timedelta(days=30), "timestamp": timedelta(0)}
_SET_CLOCK = "sudo timedatectl set-ntp true; where no time server can be reached: sudo date --set"
_CERTIFICATES = {
    9: ("it is not valid yet by this host's clock", "look at the clock above"),
    10: (
        "it has run out, by this host's clock",
        "look at the clock above; else the store's administrator must renew it",
    ),
    18: ("it is signed by itself, and by no authority that this host knows", ""),
    19: ("it comes from an authority that this host does not know, such as a company's own", ""),
    20: ("it comes from an authority that this host does not know, such as a company's own", ""),
    21: ("it comes from an authority that this host does not know, such as a company's own", ""),
    62: (
        "it is made out for another name",
        "check the store's address; a proxy or a captive portal may answer in its place",
    ),
}
_OWN_CA = (
    "put the authority's certificate (PEM) into /usr/local/share/ca-certificates/NAME.crt and run "
    "sudo update-ca-certificates; or name its file by SSL_CERT_FILE"
)


def check_clock(answer: Answer | None, now: datetime, kept: str | None) -> Check:
    """Compare this host's clock with the store's.

    `kept` is who keeps this host's clock right, empty where nobody does, None where that can't
    be known.
    """
    by = f"; {kept} keeps it right" if kept else ""
    unkept = Check(
        "clock", WARN, "nothing keeps this host's clock right", "it will drift", _SET_CLOCK
    )
    if answer is None or answer.at is None:
        told = ok("clock", f"{shown(now)}{by}; the store's clock could not be seen")
        return unkept if kept == "" else told
    off = now - answer.at
    if abs(off) <= NOTABLE:
        return unkept if kept == "" else ok("clock", f"within {length(NOTABLE)} of the store's{by}")
    side = "ahead of" if off > timedelta(0) else "behind"
    what = f"this host's clock is {length(off)} {side} the store's: {shown(now)} here"
    if abs(off) <= SKEW or kept:
        why = f"{kept} keeps this host's clock, so the store's may be wrong" if kept else ""
        return Check("clock", WARN, what, why, "compare both with a clock that you trust")
    why = "good certificates and metadata may look outdated, and outdated ones good"
    return Check("clock", FAIL, what, why, f"{_SET_CLOCK} '{shown(answer.at)}'")


def check_dns(store: str, resolve: Callable[[str], object] | None = None) -> Check:
    """Look up the name of the store's host, or of the proxy in between."""
    proxy = proxy_for(store)
    name = urlsplit(
        proxy if proxy and "://" in proxy else f"//{proxy}" if proxy else store
    ).hostname
    whose = "the proxy's name" if proxy else "the store's name"
    if not name:
        return ok("dns", "the store is a folder: no name to look up")
    if _is_address(name):
        return ok("dns", f"{name} is an address: no name to look up")
    look_up = resolve or (lambda host: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    try:
        within(SECONDS, lambda: look_up(name))
    except (OSError, UnicodeError) as error:
        return _unknown_name(f"{whose}, {name},", error)
    return ok("dns", f"{whose}, {name}, is known")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _unknown_name(name: str, error: Exception) -> Check:
    servers = ", ".join(_name_servers()) or "none is set"
    if isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN:
        return Check(
            "dns",
            FAIL,
            f"{name} is known to no name server ({servers})",
            "the address is wrong, or only other name servers know it",
            "check the address; inside a company, check /etc/resolv.conf and the VPN",
        )
    return Check(
        "dns",
        FAIL,
        f"{name} can't be looked up: no name server answers ({servers})",
        "the network is down, or the name servers are",
        "check the network: ip route; then the name servers: resolvectl status or "
        "cat /etc/resolv.conf",
    )


def _name_servers() -> list[str]:
    try:
        lines = Path("/etc/resolv.conf").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.split()[1] for line in lines if line.startswith("nameserver ")]


def check_proxy(store: str) -> Check:
    """Say whether requests go through a proxy, and whether that takes connections."""
    proxy = proxy_for(store)
    if proxy is None:
        names = sorted(name for name in os.environ if name.lower() in ("http_proxy", "https_proxy"))
        unused = f"; {', '.join(names)} does not count for this store" if names else ""
        return ok("proxy", f"none is used{unused}")
    parts = urlsplit(proxy if "://" in proxy else f"//{proxy}")
    shown_as = public(f"{parts.scheme or 'http'}://{parts.netloc}")
    try:
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
        within(
            SECONDS, lambda: socket.create_connection((parts.hostname or "", port), SECONDS)
        ).close()
    except (OSError, ValueError) as error:
        return Check(
            "proxy",
            FAIL,
            f"{shown_as} takes no connection: {error}",
            "the environment sends requests to the store through it",
            "check the proxy, or leave it out for the store by no_proxy",
        )
    return ok("proxy", f"requests to the store go through {shown_as}, which takes connections")


def check_store(answer: Answer) -> Check:
    """Say what the store answered, or why it did not."""
    parts = urlsplit(answer.url)
    where = f"{parts.scheme}://{parts.netloc}" if parts.netloc else parts.path
    if answer.fault is not None:
        return _no_answer(answer.url, where, answer.fault)
    status = answer.status or 0
    file = parts.path.rpartition("/")[2]
    if status == 200:
        return ok("store", f"{where} answers and has {file}")
    if status in (401, 403):
        return Check(
            "store",
            WARN,
            f"{where} answers {status}: it does not let this host read {file}",
            "the store is private, or the file is not there",
            "name the file with the store's header by --store-header-file, or check that the "
            "store's files are public",
        )
    if status == 404:
        level = FAIL if file == "timestamp.json" else WARN
        return Check(
            "store",
            level,
            f"{where} answers, but has no {file}",
            "the address is wrong, or the store was moved or tidied",
            "check the store's address with whoever publishes; else get a new install script",
        )
    through = " (or the proxy in between)" if proxy_for(answer.url) else ""
    return Check(
        "store",
        FAIL,
        f"{where}{through} answers {status}",
        "it is too busy, or broken; nothing is wrong with this host",
        "try again in some minutes; what runs here runs on meanwhile",
    )


def _no_answer(url: str, where: str, fault: BaseException) -> Check:
    what, why, do = _of_tls(where, fault) or _of_network(where, fault)
    if proxy_for(url) and not isinstance(fault, ssl.SSLError):
        what, why, do = (
            f"{where} was not reached through the proxy: {fault}",
            "",
            "look at proxy above",
        )
    return Check("store", FAIL, what, why, do)


def _of_tls(where: str, fault: BaseException) -> tuple[str, str, str] | None:
    if isinstance(fault, ssl.SSLCertVerificationError):
        why, do = _CERTIFICATES.get(fault.verify_code, (fault.verify_message, ""))
        return f"the certificate of {where} is not believed", why, do or _OWN_CA
    if isinstance(fault, ssl.SSLError):
        return (
            f"{where} does not speak TLS as this host does: {fault.reason or fault}",
            "its port may be one for http, or a proxy answers in its place",
            "check the store's address and the proxy",
        )
    return None


def _of_network(where: str, fault: BaseException) -> tuple[str, str, str]:
    if isinstance(fault, socket.gaierror):
        return f"{where} was not reached: its name can't be looked up", "", "look at dns above"
    if isinstance(fault, TimeoutError):
        return (
            f"{where} did not answer within {SECONDS:g} s",
            "a firewall drops what is sent there, the network is cut, or the store hangs",
            "check the network: ip route; then, from another host, whether the store answers",
        )
    if isinstance(fault, ConnectionRefusedError):
        return (
            f"{where} takes no connection: nothing listens there",
            "the store is down, or its port is another",
            "check the store, then its address",
        )
    if isinstance(fault, FileNotFoundError):
        return f"{where} is not there", "", "check that the folder is mounted"
    return (
        f"{where} was not reached: {getattr(fault, 'strerror', None) or fault}",
        "the network between here and there does not work",
        "check the network: ip address; ip route",
    )


def check_trust(layout: Layout, answer: Answer | None, now: datetime) -> Check:
    """Look at when root and metadata run out, here and as the store has them now."""
    if not layout.trust.is_dir():
        return ok("trust", "no signed metadata: the hashes in the install script are believed")
    root = _signed(layout.trust / "root.json")
    if root is None:
        return Check(
            "trust",
            FAIL,
            f"{layout.trust / 'root.json'} can't be read",
            "nothing from the store is believed without it",
            f"remove {layout.trust}, then install again with a script that you trust",
        )
    served = _parsed(answer.body) if answer and answer.status == 200 else None
    timestamp = served or _signed(layout.trust / "timestamp.json")
    for role, signed in (("root", root), ("timestamp", timestamp)):
        if signed is not None and (bad := _near_its_end(role, signed, now, served is not None)):
            return bad
    until = f", the metadata until {shown(parse_time(timestamp['expires']))}" if timestamp else ""
    return ok(
        "trust",
        f"root {root['version']} is good until {shown(parse_time(root['expires']))}{until}"
        f"{_last_look(layout, now)}",
    )


def _near_its_end(role: str, signed: dict[str, Any], now: datetime, fresh: bool) -> Check | None:
    end = parse_time(signed["expires"])
    if now < end - SOON[role]:
        return None
    if role == "root":
        level, past = (FAIL, "ran out") if now >= end else (WARN, "runs out")
        return Check(
            "trust",
            level,
            f"the trusted root {past} on {shown(end)} ({ago(end, now)})",
            "without a newer root, nothing from the store is believed after that",
            "ask whoever publishes for a new root; it comes with the next upgrade",
        )
    if not fresh:
        return Check(
            "trust",
            WARN,
            f"the metadata seen last ran out on {shown(end)} ({ago(end, now)})",
            "this host has not looked at the store since; the store could not be asked now",
            "mend the way to the store; the next upgrade fetches it anew",
        )
    return Check(
        "trust",
        FAIL,
        f"the store's metadata ran out on {shown(end)} ({ago(end, now)})",
        "nobody signed it anew, somebody serves an old copy, or this host's clock is wrong",
        "tell whoever publishes: `toolkit refresh`; what runs here runs on meanwhile",
    )


def _last_look(layout: Layout, now: datetime) -> str:
    try:
        at = parse_time(json.loads((layout.trust / "refreshed.json").read_bytes())["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"; verified {ago(at, now)}"


def _signed(path: Path) -> dict[str, Any] | None:
    try:
        return _parsed(path.read_bytes())
    except OSError:
        return None


def _parsed(data: bytes) -> dict[str, Any] | None:
    """Give what a metadata file says; here it is only told, so that no signature is checked."""
    try:
        signed = json.loads(data)["signed"]
        parse_time(signed["expires"])
    except (ValueError, KeyError, TypeError):
        return None
    return {"version": signed.get("version"), "expires": signed["expires"]}
