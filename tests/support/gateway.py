"""A real S3 gateway on loopback: Ceph's RADOS Gateway with one monitor and one OSD in memory.

All its files are in one temporary directory. Its processes die with the process that started
them, and by their ids when the `with` block ends.
"""

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config

from tests.support.need import need_command

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

COMMANDS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool", "openssl")
_START_SECONDS = 60
_PUBLIC_READ = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
"Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/*"}]}"""

# The short intervals bring the start from half a minute to two seconds: a new cluster agrees on
# some thirty changes one after the other, each a second apart by default. The gateway asks for an
# encrypted link to the monitor, which there is none of without authentication. Without
# tcp_nodelay, each answer with a body takes 40 ms.
_CONFIGURATION = """\
[global]
fsid = {cluster}
mon_host = v2:127.0.0.1:{ports.monitor}
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
run_dir = {folder}
crash_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
keyring = {folder}/keyring
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_allow_pool_size_one = true
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
rgw_frontends = beast tcp_nodelay=1 \
endpoint=127.0.0.1:{ports.http} ssl_endpoint=127.0.0.1:{ports.https} \
ssl_certificate={folder}/certificate.pem ssl_private_key={folder}/key.pem

[mon.a]
mon_addr = 127.0.0.1:{ports.monitor}
"""


class GatewayFailed(Exception):
    """The gateway did not start; says what its processes printed."""


@dataclass(frozen=True)
class _Ports:
    monitor: int
    http: int
    https: int

    @classmethod
    def free(cls) -> Self:
        sockets = [socket.socket() for _ in range(3)]
        try:
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            return cls(*(int(one.getsockname()[1]) for one in sockets))
        finally:
            for one in sockets:
                one.close()


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs. `url` and `https_url` are the same service, without and with TLS."""

    folder: Path
    ports: _Ports
    access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper())
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def https_url(self) -> str:
        return f"https://127.0.0.1:{self.ports.https}"

    @property
    def ca_file(self) -> Path:
        """The certificate to trust, in PEM."""
        return self.folder / "certificate.pem"

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which boto3 and other clients may use it, TLS included."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_CA_BUNDLE": str(self.ca_file),
        }

    def client(self) -> "S3Client":
        """A client with all rights, without TLS."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def create_bucket(self, name: str) -> str:
        """Create a bucket whose files everybody may fetch; return its name."""
        client = self.client()
        client.create_bucket(Bucket=name)
        client.put_bucket_policy(Bucket=name, Policy=_PUBLIC_READ % name)
        return name


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Start a gateway; it is gone, with all that it stored, when the block ends."""
    for command in COMMANDS:
        need_command(command)
    # Not pytest's folder: the path of a socket may have 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="gateway-"))
    cluster = _Cluster(Gateway(folder, _Ports.free()))
    try:
        cluster.start()
        yield cluster.gateway
    finally:
        cluster.kill()
        shutil.rmtree(folder)


class _Cluster:
    """The processes of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._folder = gateway.folder
        self._id = str(uuid.uuid4())
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._prepare()
        self._start_monitor()
        self._start_osd()
        self._start_gateway()

    def _prepare(self) -> None:
        for name in ("mon", "osd", "rgw"):
            (self._folder / name).mkdir()
        (self._folder / "keyring").touch()
        (self._folder / "ceph.conf").write_text(
            _CONFIGURATION.format(cluster=self._id, folder=self._folder, ports=self.gateway.ports),
            encoding="utf-8",
        )
        self._run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(self._folder / "key.pem"), "-out", str(self.gateway.ca_file)),
        )

    def _start_monitor(self) -> None:
        map_file = str(self._folder / "monmap")
        address = f"[v2:127.0.0.1:{self.gateway.ports.monitor}]"
        self._run("monmaptool", "--create", "--fsid", self._id, "--addv", "a", address, map_file)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", map_file)
        self._spawn("ceph-mon", "-f", "-i", "a")

    def _start_osd(self) -> None:
        osd = str(uuid.uuid4())
        self._run("ceph", "--connect-timeout", "30", "osd", "new", osd)
        self._run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-f", "-i", "0")

    def _start_gateway(self) -> None:
        self._spawn("radosgw", "-f", "-n", "client.admin")
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self.gateway.url):
            if time.monotonic() > deadline or any(
                one.poll() is not None for one in self._processes
            ):
                raise GatewayFailed(self._said())
            time.sleep(0.05)
        self._run(
            *("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests"),
            *("--access-key", self.gateway.access_key, "--secret-key", self.gateway.secret_key),
        )

    def kill(self) -> None:
        """End the processes at once: nothing that they hold is wanted any more."""
        for process in reversed(self._processes):
            process.kill()
            process.wait(timeout=10)

    def _spawn(self, *argv: str) -> None:
        with (self._folder / f"{argv[0]}.out").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *self._with_configuration(argv)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _run(self, *argv: str) -> None:
        done = subprocess.run(
            argv if argv[0] in {"openssl", "monmaptool"} else self._with_configuration(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise GatewayFailed(
                f"{argv[0]} exited with {done.returncode}\n{done.stdout}\n{self._said()}"
            )

    def _with_configuration(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        return (argv[0], "-c", str(self._folder / "ceph.conf"), *argv[1:])

    def _said(self) -> str:
        outputs = sorted(self._folder.glob("*.out"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')}" for file in outputs)


def _answers(url: str) -> bool:
    with (
        suppress(urllib.error.URLError, ConnectionError, TimeoutError),
        urllib.request.urlopen(url, timeout=5) as answer,
    ):
        return bool(answer.status == 200)
    return False
