#!/usr/bin/env bash
# How long a stranger waits: this checkout's HEAD is cloned into an empty folder and built there with empty caches of cargo, pip
# and npm, until the first picture and the wheel are there. Its last line is what records keep.
set -euo pipefail
root=$(git rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/cargo"
# Which registry the machine uses is not a cache.
cp "${CARGO_HOME:-$HOME/.cargo}"/config.toml "$work/cargo/" 2>/dev/null || true
export CARGO_HOME=$work/cargo PIP_CACHE_DIR=$work/pip npm_config_cache=$work/npm XDG_CACHE_HOME=$work/cache
unset CARGO_TARGET_DIR
git clone --quiet "$root" "$work/guarita"
cd "$work/guarita"
make demo DEMO=--first | tee "$work/demo.txt"
echo
before=$(awk '{print $14 + $15 + $16 + $17}' /proc/$$/stat)
began=$SECONDS
make wheel
ticks=$(($(awk '{print $14 + $15 + $16 + $17}' /proc/$$/stat) - before))
wheel=$(basename target/wheels-release/*.whl)
echo "wheel after that: $((SECONDS - began)) s ($((ticks / $(getconf CLK_TCK))) CPU s)"
first=$(sed -n 's/^\(first picture after .* CPU s)\).*/\1/p' "$work/demo.txt")
tag=${wheel##*-}
echo "$first, README $(wc -l <README.md) lines, wheel tag ${tag%.whl}"
