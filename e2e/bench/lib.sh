# shellcheck shell=bash
# What the benches share: how long they measure, servers that end with the run, medians, and where tables go.
# Sourced by run and proxy, which stand in the repository's root by then.
#
#   QUICK=1              two short rounds, docs left alone
#   ROUNDS=5 LENGTH=5    rounds, and seconds of each measurement
#   PROFILE=release      cargo's profile; with another the numbers mean nothing
#   BINARIES=FOLDER      measures what is built already, and builds nothing

quick=${QUICK:-0}
rounds=${ROUNDS:-$([ "$quick" = 1 ] && echo 2 || echo 5)}
length=${LENGTH:-$([ "$quick" = 1 ] && echo 2 || echo 5)}
warm_up=1
profile=${PROFILE:-release}
docs=docs/benchmarks.md
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
binaries=${BINARIES:-$target/$([ "$profile" = dev ] && echo debug || echo "$profile")}
work=$(mktemp -d)
declare -A pid command

stop_all() {
  local one
  for one in "${pid[@]}"; do kill "$one" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop_all EXIT

# build PACKAGE BINARY…
build() {
  local package=$1 flags=() name
  shift
  [ -z "${BINARIES:-}" ] || return 0
  for name; do flags+=(--bin "$name"); done
  cargo build --quiet --locked --profile "$profile" -p "$package" "${flags[@]}"
}

# Each server tells its errors in a log of its own; a failure shows it.
start() { # NAME COMMAND…: its process is ${pid[NAME]}
  local name=$1
  shift
  command[$name]=${*@Q}
  "$@" >"$work/$name.log" 2>&1 &
  pid[$name]=$!
}
stop() { # NAME: and waits; fails as its process did
  local one=${pid[$1]}
  unset "pid[$1]"
  kill -TERM "$one"
  wait "$one"
}
fail() {
  echo "bench: $*" >&2
  tail -n 5 "$work"/*.log >&2 2>/dev/null || true
  exit 1
}

# The numbers of a file, one a line: in order, and the one in the middle.
sorted() { sort -n "$1"; }
median() { sorted "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Puts standard input between the markers of that name, at the end of the file where there are none.
write_between() { # MARKER
  [ -f "$docs" ] || printf '# Benchmarks\n\n`make bench` measures and writes this page.\n' >"$docs"
  grep -q "<!-- $1:begin -->" "$docs" || printf '\n<!-- %s:begin -->\n<!-- %s:end -->\n' "$1" "$1" >>"$docs"
  cat >"$work/between"
  awk -v begin="<!-- $1:begin -->" -v end="<!-- $1:end -->" -v file="$work/between" '
    $0 == begin { print; while ((getline line < file) > 0) print line; skip = 1 }
    $0 == end { skip = 0 }
    !skip' "$docs" >"$work/docs"
  cat "$work/docs" >"$docs"
}

# machine TOOL…: on what was measured, and with which versions of these
machine() {
  local tools
  tools=$(printf '%s, ' "$@")
  echo "Measured $(date -u +%F) on $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores," \
    "Linux $(uname -r), $(rustc --version | cut -d' ' -f1,2), ${tools}commit $(git rev-parse --short HEAD)."
}
