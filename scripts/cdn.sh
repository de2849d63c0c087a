#!/bin/sh
# Unpack what exported notebooks fetch from a CDN: cdn.sh FOLDER. The browser tests answer those
# addresses from this folder.
set -eu
mkdir -p "$1"
cd "$1"
for package in @jupyter-widgets/html-manager@1.0.15 anywidget@0.11.0 requirejs@2.3.7 \
  reveal.js@4.0.2 jquery@3.7.1 @myst-theme/anywidget@1.4.1; do
  folder=${package%@*}
  file=$(npm pack --silent "$package")
  mkdir -p "$folder"
  tar -xzf "$file" -C "$folder" --strip-components=1
  rm "$file"
done
