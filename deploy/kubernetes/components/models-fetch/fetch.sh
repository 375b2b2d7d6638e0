#!/bin/sh
# Fetches models, and checks each file before a model server sees it:
#
#   SOURCE=:http,url='https://models.example/': SUMS=SHA256SUMS TARGET=/models fetch.sh
#
# SOURCE is an rclone remote (rclone.org/overview), SUMS a list as sha256sum writes it: what it does not
# name is not fetched. Ends with 0 once all of it lies in TARGET, and leaves nothing there otherwise.
set -eu
export LC_ALL=C RCLONE_CONFIG=/dev/null

refuse() {
  echo "fetch.sh: $*" >&2
  exit 1
}

list=$(mktemp)
trap 'rm -f "$list"' EXIT

[ -r "$SUMS" ] || refuse "there is no $SUMS"
line='[0-9a-f]{64} [ *][^/[:cntrl:]\\][^[:cntrl:]\\]*'
if grep -vqxE "$line" "$SUMS"; then
  refuse "$SUMS: no line of sha256sum: $(grep -vxE "$line" "$SUMS" | head -n 1)"
fi
cut -c 67- "$SUMS" >"$list"
[ -s "$list" ] || refuse "$SUMS lists no file"
if grep -qE '(^|/)\.{1,2}(/|$)|//|/$' "$list"; then
  refuse "$SUMS: not below the models directory: $(grep -E '(^|/)\.{1,2}(/|$)|//|/$' "$list" | head -n 1)"
fi

clean() {
  find "$TARGET" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
}

# Whether each file is there, and what the list says.
is_whole() {
  (cd "$TARGET" && sha256sum -c "$SUMS")
}

if [ -n "$(ls -A "$TARGET")" ]; then
  if is_whole >/dev/null 2>&1; then # this pod has fetched it before
    echo "The models are there"
    exit 0
  fi
  clean
fi

echo "Fetching $(wc -l <"$list" | tr -d ' ') files from $SOURCE"
if ! rclone copy --files-from-raw "$list" --no-traverse --retries "${RETRIES:-3}" --contimeout 10s --timeout 60s \
  --stats-one-line --stats 10s --stats-log-level NOTICE "$SOURCE" "$TARGET"; then
  clean
  refuse "$SOURCE does not have all of it"
fi
if ! said=$(is_whole 2>&1); then
  clean
  refuse "not as $SUMS says: $(echo "$said" | grep -v ': OK$' | head -n 5)"
fi
echo "The models are here, each file as $SUMS says"
