#!/usr/bin/env bash
# Starts TensorFlow Serving with those models of a models.config that have a version:
#
#   start.sh --model_config_file=/config/models.config [more of its flags]
#
# TensorFlow Serving opens no port before each model that it is told of has a version, and while the
# base_path of one is missing it looks for versions of none (file_system_storage_path_source.cc,
# PollFileSystemForConfig). So models without a version are left out, which is said once, and come in
# when they have one: where there are such, the server reads a copy that follows the file and them.
set -u
export LC_ALL=C # or taking a character from a long text takes long

# The first process of a container, as which Kubernetes runs this, is not ended by a signal that it has no
# handler for, and TensorFlow Serving has none for SIGTERM (its issue 1853): there it is a child.
if (($$ == 1)); then
  bash "$0" "$@" &
  trap 'kill -TERM "$!"' TERM INT
  wait "$!" # until the end, or the signal
  wait "$!"
  exit
fi

PAUSE_S=0.5
TOKEN=$'^(#[^\n]*|"([^"\\\\]|\\\\.)*"|\'([^\'\\\\]|\\\\.)*\'|[{}]|[^#"\'{}]+)'

config=
flags=()
for flag in "$@"; do
  case $flag in
    --model_config_file=*) config=${flag#*=} ;;
    *) flags+=("$flag") ;;
  esac
done
copy=${TMPDIR:-/tmp}/served.config
exec {never}<> <(:) # nobody writes there

pause() {
  read -r -t "$PAUSE_S" -u "$never"
}

# Whether there is a version in a base_path; one that is not on this disk is the server's affair.
has_version() {
  local base=${1#file://} entry
  [[ $base == /* ]] || return 0
  for entry in "$base"/*/; do
    entry=${entry%/}
    [[ ${entry##*/} =~ ^[0-9]+$ ]] && return 0
  done
  return 1
}

# Sets `served` to the file without the models that have no version, and `missing` to their names.
# A file that makes no sense is left as it is: the server says why.
look() {
  local text rest token block='' depth=0 field='' name='' base=''
  IFS= read -r -d '' text <"$config" # to its end, without a process
  [[ $text ]] || return
  rest=$text served='' missing='' count=0
  while [[ $rest ]]; do
    [[ $rest =~ $TOKEN ]] || break
    token=${BASH_REMATCH[0]} rest=${rest:${#BASH_REMATCH[0]}}
    block+=$token
    case $token in
      '{') [[ $((depth++)) -ne 1 ]] || name='' base='' ;;
      '}') ((depth--)) ;;
      [\"\']*)
        if ((depth == 2)); then
          [[ $field =~ (^|[[:space:]\;,])name[[:space:]]*:[[:space:]]*$ ]] && name=${token:1:-1}
          [[ $field =~ (^|[[:space:]\;,])base_path[[:space:]]*:[[:space:]]*$ ]] && base=${token:1:-1}
        fi
        ;;
    esac
    field=$token
    if [[ $token == '}' && $depth -eq 1 ]] && ! has_version "$base"; then
      missing+=${missing:+, }$name block=''
    elif [[ $token == [{}] && $depth -le 1 ]]; then
      [[ $token == '}' && $depth -eq 1 ]] && ((count++))
      served+=$block block=''
    fi
  done
  served+=$block
  if [[ $rest || $depth -ne 0 ]]; then
    served=$text missing='' count=1
  fi
}

# Has the copy say what is served, and this log which models are not.
follow() {
  if [[ $missing != "$told" ]]; then
    echo "Not served, as there is no version of it: ${missing:-none any more}" >&2
    told=$missing
  fi
  if [[ $served != "$copied" ]]; then
    printf '%s' "$served" >"$copy.new" && mv "$copy.new" "$copy" && copied=$served
  fi
}

served='' missing='' count=1 told='' copied=''
look
if [[ -z $missing ]]; then
  exec tensorflow_model_server --model_config_file="$config" "${flags[@]}"
fi
follow
while ((count == 0)); do # it would wait with closed ports, too, and not say for what
  pause
  look
  follow
done
while kill -0 $$ 2>/dev/null; do
  pause
  look
  follow
done &
exec tensorflow_model_server --model_config_file="$copy" "${flags[@]}"
