#!/bin/sh
# Installs phasewatch as a systemd service, from a checkout or an unpacked release, on Debian 12 or newer.
# Run it as root; run it again to upgrade. It changes nothing that is configured, and starts nothing that was not
# running: write /etc/phasewatch/site.yaml first.
#
#   systemd/install.sh            install or upgrade
#   systemd/install.sh --remove   take it away again; /etc/phasewatch and /var/lib/phasewatch stay
#
# The program goes to a directory of its own below /opt; /opt/phasewatch is a link to it that changes in one step, so
# a failed upgrade leaves the old version as it was. The version before stays, to go back to.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
root=${DESTDIR:-}
opt=$root/opt
python=${PYTHON:-python3}

say() { echo "phasewatch: $*"; }
fail() { echo "phasewatch: $*" >&2; exit 1; }
live() { test -z "$root" && test -d /run/systemd/system; }

remove() {
  if live; then systemctl disable --now phasewatch.service 2>/dev/null || true; fi
  rm -f "$root/etc/systemd/system/phasewatch.service" "$root/usr/lib/sysusers.d/phasewatch.conf" \
    "$root/etc/modules-load.d/phasewatch.conf" "$root/usr/local/bin/phasewatch"
  rm -rf "$opt/phasewatch" "$opt"/phasewatch-*
  if live; then systemctl daemon-reload; fi
  say "removed; kept: /etc/phasewatch, /var/lib/phasewatch, udev rules, the user phasewatch"
}

program() {
  "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$python cannot make a virtual environment: apt-get install python3-venv (Python 3.11 or newer), or PYTHON=/path"
  new=$opt/phasewatch-$(date -u +%Y%m%d%H%M%S)
  mkdir -p "$opt"
  trap 'rm -rf "$new"' EXIT
  say "installing the program into $new"
  "$python" -m venv "$new"
  "$new/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements-run.lock"
  "$new/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$here"
  PYTHONPATH='' "$new/bin/phasewatch" meters list >/dev/null
  # Where Documentation= of the unit points
  install -m 644 "$here/README.md" "$new/README.md"
  cp -R "$here/docs" "$new/docs"
  trap - EXIT
  ln -sfn "${new##*/}" "$opt/phasewatch.new"
  mv -T "$opt/phasewatch.new" "$opt/phasewatch"
  find "$opt" -maxdepth 1 -name 'phasewatch-[0-9]*' -type d | sort | head -n -2 | xargs -r rm -rf
  mkdir -p "$root/usr/local/bin"
  ln -sfn /opt/phasewatch/bin/phasewatch "$root/usr/local/bin/phasewatch"
}

files() {
  install -D -m 644 "$here/systemd/phasewatch.service" "$root/etc/systemd/system/phasewatch.service"
  install -D -m 644 "$here/systemd/phasewatch.sysusers" "$root/usr/lib/sysusers.d/phasewatch.conf"
  install -D -m 644 "$here/systemd/modules-load.conf" "$root/etc/modules-load.d/phasewatch.conf"
  # The administrator writes the name of an adapter into these: an upgrade keeps them.
  rules=$root/etc/udev/rules.d/70-phasewatch.rules
  test -e "$rules" || install -D -m 644 "$here/systemd/70-phasewatch.rules" "$rules"
}

settings() {
  if test -z "$root"; then systemd-sysusers phasewatch.conf; fi
  install -d -m 750 "$root/etc/phasewatch"
  if test ! -e "$root/etc/phasewatch/site.yaml"; then
    install -m 640 "$here/config/site.example.yaml" "$root/etc/phasewatch/site.yaml"
  fi
  if test -z "$root"; then chgrp -R phasewatch /etc/phasewatch; fi
}

start() {
  live || { say "no running systemd here: nothing is started"; return; }
  systemctl daemon-reload
  udevadm control --reload 2>/dev/null || true
  if systemctl is-active --quiet phasewatch.service; then
    systemctl restart phasewatch.service
    say "upgraded and restarted; look: systemctl status phasewatch"
  else
    say "next: edit /etc/phasewatch/site.yaml; phasewatch check --config /etc/phasewatch/site.yaml; systemctl enable --now phasewatch"
  fi
}

test -n "$root" || test "$(id -u)" = 0 || fail "run this as root: sudo systemd/install.sh"
case "${1:-}" in
  --remove) remove ;;
  "") program; files; settings; start ;;
  *) fail "unknown option $1; there is --remove" ;;
esac
