"""The server behind auth-watchdog: it hands each request that the watchdog has
let through to the function's handler, and nobody else can reach it."""

import contextlib
import os
import signal
import sys

import waitress
from flask import Flask, jsonify, make_response, request

from function import handler


class Event:
    """What is asked, as in python3-http."""

    def __init__(self):
        self.body = request.get_data()
        self.headers = request.headers
        self.method = request.method
        self.query = request.args
        self.path = request.path


class Context:
    def __init__(self):
        self.hostname = os.getenv("HOSTNAME", "localhost")


app = Flask(__name__, static_folder=None)


# In front of Flask's routes, of which there are none: the handler gets every
# path and method as they come.
@app.before_request
def call_handler():
    return response(handler.handle(Event(), Context()))


def response(result):
    """What Flask is to answer when a handler has returned result."""
    if result is None:
        return make_response("")
    if not isinstance(result, dict):
        return make_response(result)
    made = make_response(body(result.get("body", "")), result.get("statusCode", 200))
    for name, values in headers(result.get("headers") or {}).items():
        made.headers.setlist(name, values)
    return made


def body(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, (dict, list)):
        return jsonify(value)
    return "" if value is None else str(value)


def headers(given):
    """A dict or a list of pairs, as lists: a name may come several times, and
    a dict may have a list of values."""
    lists = {}
    for name, value in given.items() if isinstance(given, dict) else given:
        values = value if isinstance(value, (list, tuple)) else [value]
        lists.setdefault(name, []).extend(str(v) for v in values)
    return lists


def serve(address):
    path = address.removeprefix("unix://")
    if path == address or not path.startswith("/"):
        sys.exit(f"index.py: upstream_url={address!r}: want unix:///tmp/function.sock")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    before = os.umask(0o177)  # the socket is made with mode 0600
    try:
        server = waitress.create_server(
            app,
            unix_socket=path,
            unix_socket_perms="600",
            threads=int(os.getenv("THREADS", "16")),
            clear_untrusted_proxy_headers=False,  # they are the watchdog's own
        )
    finally:
        os.umask(before)
    server.run()


if __name__ == "__main__":
    serve(os.getenv("upstream_url", ""))
