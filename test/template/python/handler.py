"""What the tests of the template python3-auth run in it: what it answers
stands in the path."""


def event(event, context):
    return {
        "body": {
            "kind": type(event.body).__name__,
            "body": event.body.hex(),
            "method": event.method,
            "path": event.path,
            "query": event.query.to_dict(flat=False),
            "header": event.headers.get("x-a"),
            "forwarded": event.headers.get("X-Forwarded-For"),
            "host": event.headers["Host"],
            "hostname": context.hostname != "",
        }
    }


ANSWERS = {
    "/bytes": {"body": b"\x00\xff\n", "headers": {"Content-type": "application/octet-stream"}},
    "/text": {"body": "<p>ü</p>"},
    "/nothing": None,
    "/no-body": {"statusCode": 204},
    "/number": {"body": 42},
    "/list": {"body": [1, "a"]},
    "/string": "as it is",
    "/tuple": ("a tuple", 202),
    "/headers": {"statusCode": 201, "body": "made", "headers": {"Set-Cookie": ["a=1", "b=2"], "Content-Type": "text/x"}},
    "/pairs": {"body": "made", "headers": [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]},
}


def handle(e, context):
    return ANSWERS[e.path] if e.path in ANSWERS else event(e, context) if "event" in e.path else 1 / 0
