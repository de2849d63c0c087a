#!/bin/sh
# The committed bundle must be exactly what this source builds: installing the package needs no node.
set -eu
cd "$(dirname "$0")/.."
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
OUT="$built" npm --prefix js run --silent build
for file in "$built"/*.js; do
  name=$(basename "$file")
  cmp -s "$file" "attn_widget/bundle/$name" || {
    echo "attn_widget/bundle/$name must be the bundle of js/src, and differs. Run: make bundle" >&2
    exit 1
  }
  echo "$name $(wc -c < "$file") bytes: as committed"
done
