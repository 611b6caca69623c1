#!/bin/sh
# Has a client in Python call a server in Rust. Needs python3, cargo, and PyPI for `msgpack`.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
server=

finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# Where the `venv` module is not whole (Debian packs it apart), pip may still install into a folder.
if python3 -c "import msgpack" 2>/dev/null; then
    python=python3
elif python3 -m venv "$work/venv" >/dev/null 2>&1; then
    python="$work/venv/bin/python"
    "$python" -m pip install --quiet --disable-pip-version-check msgpack
else
    python=python3
    python3 -m pip install --quiet --disable-pip-version-check --target "$work/packages" msgpack
    PYTHONPATH="$work/packages"
    export PYTHONPATH
fi

"$python" "$here/golden.py" "$root/mux-proto/src/tests/wire"

cd "$root"
cargo build --quiet --example interop_server
target=${CARGO_TARGET_DIR:-target}

# The server stops when its standard input closes.
mkfifo "$work/stdin"
"$target/debug/examples/interop_server" "$work/socket" <"$work/stdin" &
server=$!
exec 3>"$work/stdin"

tries=0
until [ -S "$work/socket" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
        echo "the server does not listen" >&2
        exit 1
    fi
    sleep 0.1
done

status=0
"$python" "$here/client.py" "$work/socket" || status=$?

exec 3>&-
wait "$server" || status=$?
server=
exit "$status"
