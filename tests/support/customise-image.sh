#!/bin/sh
# Turns a bare Debian or Ubuntu tree into a host for tests. Runs as root inside the tree.
# After it, `systemctl is-system-running` says `running` on Debian 12 and 13.
set -eu

export SYSTEMD_OFFLINE=1

forget_what_is_unique() {
  : >/etc/machine-id
  rm -f /etc/ssh/ssh_host_*
}

# operator: a login user with sudo; visitor: one without.
add_users() {
  # Debian has a group named operator from the start.
  useradd --create-home --shell /bin/bash --gid operator operator
  useradd --create-home --shell /bin/bash --user-group visitor
  printf 'operator ALL=(ALL:ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/operator
  chmod 0440 /etc/sudoers.d/operator
}

# Each host makes its own key at its first boot; one small key, to boot fast.
configure_sshd() {
  cat >/etc/ssh/sshd_config.d/10-test-host.conf <<'CONF'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
CONF
  cat >/etc/systemd/system/ssh-host-key.service <<'UNIT'
[Unit]
Description=Make this host's ssh key
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
UNIT
  systemctl disable ssh.socket
  systemctl enable ssh.service ssh-host-key.service
}

# Units that a container has no device for, that look for a network, or that do work at random times.
mask_units() {
  systemctl mask \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    fstrim.timer motd-news.timer man-db.timer \
    console-getty.service getty.target sshd-keygen.service \
    proc-sys-fs-binfmt_misc.automount systemd-binfmt.service \
    systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service \
    systemd-resolved.service systemd-timesyncd.service \
    systemd-udevd.service systemd-udev-trigger.service
}

drop_caches() {
  rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
  # Images of container registries forbid packages to start services.
  rm -f /usr/sbin/policy-rc.d
}

main() {
  forget_what_is_unique
  add_users
  configure_sshd
  mask_units
  drop_caches
}

main "$@"
