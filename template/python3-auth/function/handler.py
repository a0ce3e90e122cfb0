def handle(event, context):
    """Answers requests that the watchdog has let through. Who is calling
    stands in headers that only the watchdog can set."""
    return {
        "statusCode": 200,
        "body": f"Hello {event.headers.get('X-Auth-Subject', '')}, you sent {len(event.body)} bytes.\n",
        "headers": {"Content-Type": "text/plain; charset=utf-8"},
    }
