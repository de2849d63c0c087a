#!/bin/sh
# The committed bundle must be exactly what this source builds, because installing the package needs no node; and a
# page must not load more than 60 kB of it, gzipped.
set -eu
cd "$(dirname "$0")/.."
LIMIT_BYTES=60000
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
OUT="$built" npm --prefix js run --silent build
for file in "$built"/*.js; do
  name=$(basename "$file")
  cmp -s "$file" "attn_widget/bundle/$name" || {
    echo "attn_widget/bundle/$name must be the bundle of js/src, and differs. Run: make bundle" >&2
    exit 1
  }
done
size=$(gzip -9 -n -c "$built/widget.js" | wc -c)
echo "widget.js: as committed, $size bytes gzipped, limit $LIMIT_BYTES"
[ "$size" -le "$LIMIT_BYTES" ] || {
  echo "widget.js must be at most $LIMIT_BYTES bytes gzipped, got $size. Remove code or a dependency." >&2
  exit 1
}
