# What the systems' `setup` and `start` share; read with `. "$(dirname "$0")/../common.sh"`.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
systems="$(dirname "$here")"
# Where a system keeps what it builds or installs for itself; git-ignored.
built="$systems/.build/$(basename "$here")"

# debian PACKAGE...: installs those that are missing.
debian() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "missing Debian packages; as root: apt-get install$missing" >&2
    exit 1
  fi
  apt-get -o DPkg::Lock::Timeout=600 update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends $missing >&2
}

# pypi PACKAGE...: a virtual environment in $built that holds them, made once.
pypi() {
  [ "$(cat "$built/packages" 2>/dev/null)" != "$*" ] || return 0
  debian python3-venv
  rm -rf "$built"
  python3 -m venv "$built" >&2
  "$built/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
  echo "$*" >"$built/packages"
}

# All the descriptors that the system lets one process have.
raise_open_files() { ulimit -n "$(ulimit -Hn)"; }
