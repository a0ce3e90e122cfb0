import unittest
from types import SimpleNamespace

from .handler import handle


class HandleTest(unittest.TestCase):
    def test_says_who_called(self):
        event = SimpleNamespace(
            body=b"hi", headers={"X-Auth-Subject": "me"}, method="POST", query={}, path="/"
        )

        got = handle(event, SimpleNamespace(hostname="localhost"))

        self.assertEqual(got["statusCode"], 200)
        self.assertEqual(got["body"], "Hello me, you sent 2 bytes.\n")
