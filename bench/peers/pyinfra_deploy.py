"""What plain.yml does, in pyinfra's words. Run by pyinfra, with --data version, url and sha256."""

from pathlib import Path

from pyinfra import host
from pyinfra.operations import files, server, systemd

HOME, PORT = "/opt/pyinfra", 7272
version, url, sha256 = host.data.version, host.data.url, host.data.sha256
release, tarball = f"{HOME}/releases/{version}", f"{HOME}/{version}.tar.gz"

files.directory(name="Make the folders", path=release, mode="755")
download = files.download(
    name="Download the release and check it", src=url, dest=tarball, sha256sum=sha256
)
server.shell(
    name="Unpack it", commands=[f"tar -xzf {tarball} -C {release}"], _if=download.did_change
)
unit = files.template(
    name="Write the unit",
    src=str(Path(__file__).with_name("agent.service.j2")),
    dest="/etc/systemd/system/pyinfra.service",
    mode="644",
    home=HOME,
    port=PORT,
)
link = files.link(name="Switch to the version", path=f"{HOME}/current", target=release)
systemd.daemon_reload(name="Read the unit", _if=unit.did_change)
systemd.service(name="Start it now and at boot", service="pyinfra", running=True, enabled=True)
