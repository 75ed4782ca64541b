# Sourced by the `run` of each example. Starts programs on ports that the system chooses, so that examples can run side by side,
# waits until they answer, and ends them with the script. What they print is shown when the script fails.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
here="$(cd "$(dirname "$0")" && pwd)"

if [ -z "${TIDEGATE:-}" ]; then
  for TIDEGATE in "$root/.build/release/tidegate" "$root/.build/debug/tidegate"; do
    if [ -x "$TIDEGATE" ]; then break; fi
  done
fi
if ! [ -x "$TIDEGATE" ]; then
  echo "$TIDEGATE is not there: build it (swift build --product tidegate), or say where it is: TIDEGATE=/path/to/tidegate $0" >&2
  exit 2
fi

scratch="$(mktemp -d)"
declare -A pids=()

finish() {
  local status=$? name log
  trap - EXIT
  for name in "${!pids[@]}"; do
    kill "${pids[$name]}" 2>/dev/null || true
    wait "${pids[$name]}" 2>/dev/null || true
  done
  if [ "$status" -ne 0 ]; then
    for log in "$scratch"/*.log; do
      [ -e "$log" ] && { echo "--- ${log##*/}"; tail -n 40 "$log"; }
    done >&2
  fi
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# until_true WHAT COMMAND...: asks until the command succeeds, for as long as only a broken program takes.
until_true() {
  local end=$((SECONDS + 20)) name
  until "${@:2}"; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "waited in vain until $1" >&2
      exit 1
    fi
    for name in "${!pids[@]}"; do
      kill -0 "${pids[$name]}" 2>/dev/null || { echo "$name has ended" >&2; exit 1; }
    done
    sleep 0.02
  done
}

# launch NAME PATTERN COMMAND...: starts a program and waits for a line with the extended regular expression, whose first group
# is left in $found.
launch() {
  local name=$1 pattern=$2
  : >"$scratch/$name.log"
  "${@:3}" >>"$scratch/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
  until_true "$name says $pattern" grep -qE "$pattern" "$scratch/$name.log"
  found="$(sed -nE "s#.*$pattern.*#\1#p" "$scratch/$name.log" | head -n 1)"
}

# Starts the gateway of this folder: $url is where it listens, $admin its admin listener.
start_gateway() {
  launch gateway 'admin on (http://[0-9.:]+)' env TIDEGATE_PORT=0 TIDEGATE_ADMIN_PORT=0 "$TIDEGATE" run --config "$here/tidegate.yaml"
  admin=$found
  url="$(sed -nE 's#.*listening on (http://[0-9.:]+).*#\1#p' "$scratch/gateway.log" | head -n 1)"
  until_true "the gateway is ready" curl -sf -o /dev/null "$admin/readyz"
}

# ask MODEL TEXT [CURL'S OPTION...]: a streamed chat. Prints what the model says and keeps the events in $scratch/events.
ask() {
  local body
  printf -v body '{"model":"%s","stream":true,"messages":[{"role":"user","content":"%s"}]}' "$1" "$2"
  curl -sSN --max-time 30 "$url/v1/chat/completions" -d "$body" "${@:3}" >"$scratch/events"
  sed -nE 's/.*"content":"(([^"\\]|\\.)*)".*/\1/p' "$scratch/events" | tr -d '\n'
  echo
}

finish_reason() { sed -nE 's/.*"finish_reason":"([a-z_]+)".*/\1/p' "$scratch/events"; }

# expect WHAT COMMAND...: ends the script with 1 unless the command succeeds.
expect() {
  if "${@:2}"; then
    echo "  ok       $1"
  else
    echo "  MISSING  $1"
    exit 1
  fi
}

contains() { [[ $1 == *"$2"* ]]; }
lacks() { [[ $1 != *"$2"* ]]; }
equal() { [ "$1" = "$2" ]; }
