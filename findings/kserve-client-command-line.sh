#!/bin/sh
# A program that imports KServe's client has its command line read by KServe's model server.
#
# Guess:   `from kserve import InferenceRESTClient` imports a client, whatever the program's own
#          options are.
# Truth:   the package imports its model server, which parses sys.argv while it is imported. An
#          option of the program that begins as several of the server's do (`--grpc`) ends the
#          program with status 2 and the server's usage; one that is the server's (`--workers`) has
#          to be of its type. `--help` stays the program's.
# Way out: import kserve before options are in sys.argv (sys.argv[1:] = [] meanwhile), or name them
#          otherwise.
# Version: kserve 0.21.0, of Linux x86-64 and Python 3.11; seen on 1 December 2026.
# Source:  kserve/model_server.py, `args, _ = parser.parse_known_args()` at module level.
# Seen:    python tool.py: imported, status 0
#          python tool.py --grpc 127.0.0.1:8081: error: ambiguous option, status 2
#          python tool.py --workers all: error: invalid int value, status 2
#          python tool.py --help: imported, status 0
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kserve==0.21.0
cat > "$folder/tool.py" <<'END'
from kserve import InferenceRESTClient

print("imported", InferenceRESTClient.__name__)
END

# Prints what a command line does, and its status.
said() {
    status=0
    "$folder/venv/bin/python" "$folder/tool.py" "$@" >"$folder/said" 2>&1 || status=$?
    echo "python tool.py $*: $(grep -oE 'imported|ambiguous option|invalid int value' "$folder/said" | head -n 1), status $status"
}
{ said; said --grpc 127.0.0.1:8081; said --workers all; said --help; } | tee "$folder/all"
cat > "$folder/expected" <<'END'
python tool.py : imported, status 0
python tool.py --grpc 127.0.0.1:8081: ambiguous option, status 2
python tool.py --workers all: invalid int value, status 2
python tool.py --help: imported, status 0
END
cmp "$folder/all" "$folder/expected" || { echo "not as found"; exit 1; }
