#!/bin/sh
# Install the lowest versions that pyproject.toml allows, and the test tools: lowest.sh VENV_FOLDER.
set -eu
python=$1/bin/python
uv="$python -m uv"
versions=$1/lowest.txt
"$python" -m pip install --quiet uv

# The extras that users install; `dev` and `bench` have no promise of their own, `ray` is only for clusters.
extras=$("$python" -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
names = set(project["optional-dependencies"]) - {"dev", "bench", "ray"}
print(*(f"--extra {name}" for name in sorted(names)))')

# IPython 8.18 is the newest that still runs on traitlets 5.7.1, the version in Colab.
echo "ipython<8.19" > "$1/indirect.txt"
$uv pip compile --quiet --resolution lowest-direct $extras --constraint "$1/indirect.txt" \
  --python "$python" --output-file "$versions" pyproject.toml

# pip installs torch, so that TORCH_PIP_ARGS can name the index of the CPU builds.
"$python" -m pip install --quiet ${TORCH_PIP_ARGS:-} "$(grep '^torch==' "$versions")"
sed -e '/^nvidia-/d' -e '/^triton==/d' "$versions" > "$1/requirements.txt" # those of its CUDA build
$uv pip install --quiet --python "$python" --requirement "$1/requirements.txt" --editable . \
  beartype hypothesis ipykernel nbformat onnx pytest pytest-xdist scikit-image sentencepiece
$uv pip install --quiet --python "$python" --no-deps --requirement models.txt
