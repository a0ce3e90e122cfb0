#!/bin/sh
# Run when the image is built.
set -eu

got=$(printf hi | Http_X_Auth_Subject=me sh "$(dirname "$0")/hello.sh") # as the watchdog does
want='Hello me, you sent 2 bytes.'
if [ "$got" != "$want" ]; then
  printf 'got %s, want %s\n' "$got" "$want" >&2
  exit 1
fi
