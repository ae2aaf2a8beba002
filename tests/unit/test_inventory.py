"""Inventories, as Ansible itself reads them: groups, templates, vaults, limits."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.errors import ConfigError, NotFoundError
from toolkit.hosts import parse_hosts
from toolkit.inventory import Host, Reading, read
from toolkit.secret import Secret

PASSWORD = "correct horse"
INVENTORY = """
all:
  vars:
    agent_name: glances
    agent_home: "/srv/{{ agent_name }}"
    agent_environment: {WHERE: "{{ inventory_hostname }}"}
    colour: "{{ of_nothing }}"
  children:
    site:
      children:
        web:
          hosts:
            web[1:2]:
              ansible_user: admin
            web3:
              ansible_host: 10.0.0.3
              ansible_port: 2222
              ansible_ssh_private_key_file: ~/.ssh/web3
              ansible_ssh_common_args: -J bob@gate:2200 -o UserKnownHostsFile=known
              ansible_python_interpreter: /usr/bin/python3.11
              ansible_become: "yes"
    db:
      hosts:
        db1: {ansible_connection: local, ansible_become: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    (tmp_path / "group_vars").mkdir()
    return tmp_path


def vault(folder: Path, *words: str, text: str) -> str:
    """Encrypt `text` by ansible-vault."""
    program = Path(sys.executable).with_name("ansible-vault")
    argv = [str(program), *words, "--vault-password-file", str(folder / "password")]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def by_name(hosts: tuple[Host, ...]) -> dict[str, Host]:
    return {host.name: host for host in hosts}


def test_gives_hosts_in_order_with_their_groups(folder: Path) -> None:
    hosts = read([folder / "hosts.yml"])
    assert [host.name for host in hosts] == ["web1", "web2", "web3", "db1"]
    assert set(hosts[0].groups) == {"site", "web"}
    assert hosts[3].groups == ("db",)


def test_says_how_to_reach_a_host(folder: Path) -> None:
    host = by_name(read([folder / "hosts.yml"]))["web3"]
    assert (host.address, host.port, host.user) == ("10.0.0.3", 2222, None)
    assert host.identity_file == "~/.ssh/web3"
    assert host.jump == "bob@gate:2200"
    assert host.ssh == {"userknownhostsfile": "known"}
    assert host.python == "/usr/bin/python3.11"
    assert host.become is True


def test_leaves_open_what_the_inventory_does(folder: Path) -> None:
    hosts = by_name(read([folder / "hosts.yml"]))
    assert (hosts["web1"].address, hosts["web1"].user) == ("web1", "admin")
    assert (hosts["web1"].port, hosts["web1"].become, hosts["web1"].connection) == (
        None,
        None,
        "ssh",
    )
    assert (hosts["db1"].become, hosts["db1"].connection) == (False, "local")


def test_fills_in_the_templates_that_toolkit_reads(folder: Path) -> None:
    host = by_name(read([folder / "hosts.yml"]))["web2"]
    assert host.variables == {
        "agent_name": "glances",
        "agent_home": "/srv/glances",
        "agent_environment": {"WHERE": "web2"},
    }


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        ("web1", ["web1"]),
        ("site:!web2", ["web1", "web3"]),
        ("~web[12]", ["web1", "web2"]),
        ("web[0]", ["web1"]),
        ("db:web3", ["web3", "db1"]),
    ],
)
def test_limits_as_ansible_does(folder: Path, limit: str, names: list[str]) -> None:
    assert [host.name for host in read([folder / "hosts.yml"], limit)] == names


def test_reads_several_inventories_and_lists_of_names(folder: Path) -> None:
    hosts = read([folder / "hosts.yml", "one,two,"], "one:db")
    assert sorted(host.name for host in hosts) == ["db1", "one"]


def test_opens_vaults_of_files_and_of_single_values(folder: Path) -> None:
    file = folder / "group_vars" / "web.yml"
    file.write_text(vault(folder, "encrypt", text="hidden: s3cret\n"), encoding="utf-8")
    single = vault(folder, "encrypt_string", "--stdin-name", "agent_store_header", text="A: b")
    settings = 'ansible_become_password: "{{ hidden | default(omit) }}"\n'
    (folder / "group_vars" / "site.yml").write_text(f"{settings}{single}\n", encoding="utf-8")
    host = read([folder / "hosts.yml"], "web1", Reading((folder / "password",)))[0]
    assert host.become_password == Secret("s3cret")
    assert host.variables["agent_store_header"] == "A: b"
    assert "s3cret" not in repr(host)
    assert "A: b" not in repr(host)


def test_says_that_a_vault_wants_its_password(folder: Path) -> None:
    text = vault(folder, "encrypt", text="hidden: s3cret\n")
    (folder / "group_vars" / "web.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read([folder / "hosts.yml"])
    assert "--vault-password-file" in caught.value.hint


def test_asks_once_for_the_hosts_that_have_no_password_of_their_own(folder: Path) -> None:
    hosts = by_name(read([folder / "hosts.yml"], None, Reading(become_password=Secret("typed"))))
    assert hosts["web1"].become_password == Secret("typed")
    assert hosts["db1"].become_password is None


def test_refuses_an_inventory_that_is_not_there(folder: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        read([folder / "other.yml"])
    assert "other.yml" in caught.value.message


def test_names_what_there_is_when_nothing_matches(folder: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        read([folder / "hosts.yml"], "wbe1")
    assert "web1" in caught.value.why


def test_refuses_an_inventory_that_cannot_be_read(folder: Path) -> None:
    (folder / "hosts.yml").write_text("all: [", encoding="utf-8")
    with pytest.raises(ConfigError):
        read([folder / "hosts.yml"])


def test_names_a_variable_that_nothing_defines(folder: Path) -> None:
    text = INVENTORY.replace("/srv/{{ agent_name }}", "/srv/{{ nothing }}")
    (folder / "hosts.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read([folder / "hosts.yml"])
    assert "nothing" in caught.value.why


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"ansible_connection": "winrm"}, "winrm"),
        ({"ansible_become_method": "su"}, "su"),
        ({"ansible_become_user": "bob"}, "bob"),
        ({"ansible_port": "ssh"}, "number"),
        ({"ansible_become": "perhaps"}, "true nor false"),
    ],
)
def test_refuses_what_it_cannot_do(variables: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_hosts({}, {"web1": variables})
    assert why in caught.value.why


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("s3cret")
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "s3cret"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
