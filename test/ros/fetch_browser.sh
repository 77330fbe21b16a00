#!/usr/bin/env bash
# A headless Chromium for the tests of the web page, from Debian's packages, into the folder $1: 280 MB on the
# disk, 540 MB where the system has none of its libraries. Nothing is installed; without it those tests are
# skipped.
set -euo pipefail
readonly folder=$1 package=chromium-headless-shell

missing() { # the package and those of its dependencies that are not installed
  apt-get install --simulate --no-install-recommends "$package" 2>/dev/null | awk '/^Inst/ {print $2}'
}

give_up() {
  echo "no browser for the tests of the web page, they are skipped: $1" >&2
  exit 0
}

command -v apt-get dpkg-deb >/dev/null || give_up "apt-get or dpkg-deb is not here"
[[ -n $(missing) ]] || apt-get update -qq >/dev/null 2>&1 || true # fresh machines have no package lists
mapfile -t packages < <(missing)
[[ ${#packages[@]} -gt 0 ]] || give_up "apt-get knows no $package"

mkdir -p "$folder"
cd "$folder"
apt-get download -qq "${packages[@]}" 2>/dev/null || give_up "apt-get cannot download $package"
for file in *.deb; do dpkg-deb -x "$file" .; done
rm ./*.deb
touch .ready
