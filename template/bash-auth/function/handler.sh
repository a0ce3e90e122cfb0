#!/usr/bin/env bash
# It is run for each request that the watchdog has let through. The body is its
# standard input, and what it writes is the answer, as it is written; standard
# error goes to the log. Of the request it knows Http_Method, Http_Path,
# Http_Query and each header, such as Http_Content_Type.
set -euo pipefail

bytes=$(wc -c)

# Who is calling stands in headers that only the watchdog can set.
printf 'Hello %s, you sent %d bytes.\n' "${Http_X_Auth_Subject:-}" "$bytes"
