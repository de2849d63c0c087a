#!/bin/sh
# Print the path of a Chromium that starts: chromium.sh VENV_PYTHON. Tries an installed one, then
# Playwright's, then Debian's package if root; otherwise prints what to install.
set -u
python=$1

starts() {
  [ -n "${1:-}" ] && [ -x "$1" ] && "$1" --headless --no-sandbox --disable-gpu --dump-dom about:blank >/dev/null 2>&1
}

for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
  path=$(command -v "$name" 2>/dev/null) || continue
  starts "$path" && { echo "$path"; exit 0; }
done

own() { "$python" -c 'from playwright.sync_api import sync_playwright as s
with s() as p: print(p.chromium.executable_path)' 2>/dev/null; }
path=$(own)
starts "$path" || timeout 600 "$python" -m playwright install chromium >&2
path=$(own)
starts "$path" && { echo "$path"; exit 0; }

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get update -q && apt-get install -yq --no-install-recommends chromium fonts-liberation; } >&2
  path=$(command -v chromium 2>/dev/null)
  starts "$path" && { echo "$path"; exit 0; }
fi
echo "chromium must be installed for the browser tests, and none starts. Install it: sudo apt install chromium (or set CHROMIUM=/path)" >&2
exit 1
