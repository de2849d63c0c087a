#!/bin/sh
# Make a virtual environment: venv.sh PYTHON FOLDER. On Debian, venv is a separate package.
set -eu
python=$1 folder=$2
[ -x "$folder/bin/python" ] || [ -x "$folder/Scripts/python.exe" ] && exit 0
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "python must be 3.10 or newer, got $("$python" --version). Choose one: make PYTHON=python3.12" >&2
  exit 1
}
"$python" -m venv "$folder" 2>/dev/null && exit 0
rm -rf "$folder"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -q && apt-get install -yq --no-install-recommends python3-venv && "$python" -m venv "$folder" && exit 0
fi
echo "python must have the venv module, and $python lacks it. Install it: sudo apt install python3-venv" >&2
exit 1
