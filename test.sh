#!/usr/bin/env bash
# Passes the tests: ./test.sh [--full] [SUITE…]
#
# Suites, in this order: fmt, clippy, build, unit, librdkafka, java, crash; without names, all of them.
# --full runs the long forms: tests that are ignored otherwise, and 100 kills.
# Sets up what is missing on a machine that has Rust, a C compiler, Java 17 with Maven, and Python:
# packages of languages go into ignored folders of this project; system packages come through apt where
# the caller may, else the apt line is printed.
# The last line is "N passed, N failed"; the exit code is 0 only when nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# One cargo profile for everything, so that nothing is compiled twice.
readonly PROFILE=ci
readonly TARGET_DIR=${CARGO_TARGET_DIR:-target}
readonly BIN=$TARGET_DIR/$PROFILE
readonly LOGS=$TARGET_DIR/test-logs
readonly SUITES=(fmt clippy build unit librdkafka java crash)

full=false
wanted=()
for argument in "$@"; do
    case $argument in
        --full) full=true ;;
        -h | --help)
            sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *)
            if [[ " ${SUITES[*]} " != *" $argument "* ]]; then
                echo "no suite $argument; there are: ${SUITES[*]}" >&2
                exit 2
            fi
            wanted+=("$argument")
            ;;
    esac
done
if ((${#wanted[@]} == 0)); then
    wanted=("${SUITES[@]}")
fi

# 45 minutes from a fresh machine, set-up included; the long forms have their own limit.
budget_seconds=2700
if $full; then
    budget_seconds=14400
fi

passed=0
failed=0
summary=()
suite_pid=

stop_suite() {
    if [[ -n $suite_pid ]]; then
        # `timeout` leads the suite's own process group and passes the signal on to all of it.
        kill -TERM "$suite_pid" 2>/dev/null || true
    fi
}
trap 'stop_suite; exit 130' INT TERM

# missing_packages: the apt packages of the commands that are not here.
missing_packages() {
    local pair
    for pair in cc:build-essential make:build-essential python3:python3 \
        javac:openjdk-17-jdk-headless mvn:maven; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done | sort -u
}

set_up() {
    if ! command -v cargo >/dev/null; then
        echo "cargo is missing: install Rust 1.95 with rustup (rust-toolchain.toml names the version)" >&2
        exit 1
    fi
    local packages=()
    mapfile -t packages < <(missing_packages)
    if ((${#packages[@]} == 0)); then
        return
    fi
    local as_root=()
    if ((EUID != 0)); then
        as_root=(sudo -n)
    fi
    if ((EUID == 0)) || sudo -n true 2>/dev/null; then
        echo "installing: ${packages[*]}"
        "${as_root[@]}" apt-get -q update
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -q install -y \
            --no-install-recommends "${packages[@]}"
    else
        echo "system packages are missing; run this, then try again:" >&2
        echo "  sudo apt-get install ${packages[*]}" >&2
        exit 1
    fi
}

# count_of WORD LOG: the sum of "N WORD" over the closing lines of all test runners in the log.
count_of() {
    { grep -E '^test result: ' "$2" || true; } |
        sed -nE "s/.*[. ]([0-9]+) $1[;.].*/\1/p" |
        awk '{ sum += $1 } END { print sum + 0 }'
}

# run_suite NAME LIMIT_SECONDS COMMAND…: a command without test lines counts as one test.
run_suite() {
    local name=$1 limit=$2 log=$LOGS/$1.log began=$SECONDS status=0
    shift 2
    if [[ " ${wanted[*]} " != *" $name "* ]]; then
        return
    fi
    local left=$((budget_seconds - SECONDS))
    if ((left < limit)); then
        limit=$((left > 1 ? left : 1))
    fi
    echo "=== $name"
    timeout --kill-after=15 "$limit" "$@" > >(tee "$log") 2>&1 </dev/null &
    suite_pid=$!
    wait "$suite_pid" || status=$?
    suite_pid=
    # `tee` may still be writing.
    sleep 0.2
    local ok bad
    ok=$(count_of passed "$log")
    bad=$(count_of failed "$log")
    if ((status == 124 || status == 137)); then
        echo "$name did not end within $limit s"
    fi
    if ((status != 0 && bad == 0)); then
        bad=1
    fi
    if ((status == 0 && ok + bad == 0)); then
        ok=1
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    summary+=("$(printf '%-12s %5d s   %5d passed   %d failed' "$name" $((SECONDS - began)) "$ok" "$bad")")
}

# The long forms are tests that are ignored otherwise. So are the writers of golden files.
unit_full() {
    local status=0
    cargo test --profile "$PROFILE" --workspace --no-fail-fast || status=$?
    cargo test --profile "$PROFILE" --workspace --no-fail-fast -- --ignored --skip golden || status=$?
    return "$status"
}
export -f unit_full
export PROFILE

# In a function, so that an edit of this file cannot change a run.
main() {
    set_up
    mkdir -p "$LOGS"
    run_suite fmt 60 cargo fmt --all --check
    run_suite clippy 1200 cargo clippy --profile "$PROFILE" --workspace --all-targets -- -D warnings
    # Programs and tests at once: the same features of all crates, so nothing is compiled again.
    run_suite build 1200 cargo build --profile "$PROFILE" --workspace --bins --tests
    if $full; then
        run_suite unit 5400 bash -euc unit_full
    else
        run_suite unit 900 cargo test --profile "$PROFILE" --workspace --no-fail-fast
    fi
    run_suite librdkafka 300 "$BIN/compat" librdkafka
    run_suite java 480 "$BIN/compat" java
    if $full; then
        run_suite crash 3600 "$BIN/compat" crash --kills 100
    else
        run_suite crash 300 "$BIN/compat" crash --kills 10
    fi

    if ((SECONDS > budget_seconds)); then
        summary+=("over the budget of $budget_seconds s")
        failed=$((failed + 1))
    fi
    echo
    printf '%s\n' "${summary[@]}"
    echo "total        $((SECONDS)) s"
    echo
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

main
