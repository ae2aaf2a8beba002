#!/bin/sh
# Run after customise-image.sh, in the same shell: makes the tree one that boots as a machine.

# A machine has devices and a network of its own.
SYSTEMD_OFFLINE=1 systemctl unmask \
  systemd-networkd.service systemd-networkd.socket \
  systemd-udevd.service systemd-udev-trigger.service
SYSTEMD_OFFLINE=1 systemctl enable systemd-networkd.service
# After the file that systemd makes of an address that the kernel was given.
printf '[Match]\nName=e*\n\n[Network]\nDHCP=yes\n' >/etc/systemd/network/99-any.network
printf '127.0.0.1 localhost test-machine\n' >/etc/hosts
printf 'test-machine\n' >/etc/hostname
SYSTEMD_OFFLINE=1 systemctl mask e2scrub_reap.service
# The kernel finds its disk without it.
rm -f /boot/initrd*
