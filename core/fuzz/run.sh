#!/usr/bin/env bash
# Feeds the targets with bytes that nobody wrote, each for so many seconds: by libFuzzer where a C++ compiler builds it (the
# stable toolchain does; no address sanitizer, as the code is safe Rust), else by the seeded mutations of tests/mutations.rs.
#
#   core/fuzz/run.sh SECONDS [TARGET ...]
#
# What breaks a promise is kept in target/fuzz. The exit status is 1 then.
set -euo pipefail
cd "$(dirname "$0")/../.."

[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || { echo "usage: core/fuzz/run.sh SECONDS [TARGET ...]" >&2; exit 2; }
seconds=$1
shift
all=$(sed -n 's/^name = "\(.*\)"$/\1/p' core/fuzz/Cargo.toml | grep -v guarita-fuzz)
targets=${*:-$all}
for target in $targets; do
  grep -qx "$target" <<<"$all" || { echo "there is no target $target; there are:" $all >&2; exit 2; }
done
out=target/fuzz
mkdir -p $out
seed=${SEED:-$(date +%s)}

triple=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz sets without a sanitizer. With a target named, build scripts and macros are not instrumented.
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1"
if ! command -v "${CXX:-c++}" >/dev/null; then
  echo "no C++ compiler, so no libFuzzer: seeded mutations (seed $seed)"
  GUARITA_FUZZ_SECONDS=$seconds GUARITA_FUZZ_SEED=$seed \
    cargo test --quiet -p guarita-fuzz --test mutations -- --nocapture --exact $targets
  exit
fi
echo "building the targets for libFuzzer: some minutes the first time"
RUSTFLAGS=$flags cargo build --quiet --target "$triple" --target-dir target/libfuzzer -p guarita-fuzz --bins
cargo test --quiet -p guarita-fuzz --test mutations -- --ignored --exact seeds >$out/seeds.txt || { cat $out/seeds.txt; exit 1; }

status=0
for target in $targets; do
  mkdir -p "$out/found/$target"
  printf '%-16s %s s ... ' "$target" "$seconds"
  # What was found in earlier runs is gone on from; what is committed is only read.
  folders=("$out/found/$target" "$out/seeds/$target")
  [ ! -d "core/fuzz/corpus/$target" ] || folders+=("core/fuzz/corpus/$target")
  if "target/libfuzzer/$triple/debug/$target" "${folders[@]}" -seed="$((seed % 4294967295))" -max_total_time="$seconds" \
    -max_len=65536 -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$out/$target-" >"$out/$target.log" 2>&1; then
    # The last line of numbers: #RUNS DONE cov: POINTS ...
    awk '/[[:space:]]DONE[[:space:]]/{runs = substr($1, 2); points = $4} END {printf "%s runs, %s places of the code reached, no fault\n", runs, points}' \
      "$out/$target.log"
  else
    status=1
    echo "FAULT"
    grep -a -m 3 -A 3 'panicked\|ERROR: libFuzzer\|Test unit written' "$out/$target.log" | sed 's/^/    /' || true
    echo "    all of it: $out/$target.log; to try it again:" \
      "GUARITA_FUZZ_INPUT=\$PWD/$out/$target-... cargo test -p guarita-fuzz -- $target --nocapture"
  fi
done
exit $status
