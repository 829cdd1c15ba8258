"""Run by the buildspec, with nothing but the standard library's unittest."""

import json
import unittest
from typing import Any

from api.app import ROUTES, handler


def ask(route: str, name: str = "", **query: str) -> tuple[int, Any]:
    event: dict[str, Any] = {"routeKey": route, "pathParameters": {"name": name}}
    if query:
        event["queryStringParameters"] = query  # API Gateway leaves it out where there is none
    answer = handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


class AppTest(unittest.TestCase):
    def test_it_greets_in_english_unless_told_otherwise(self) -> None:
        assert ask("GET /greetings/{name}", "Ada") == (200, {"greeting": "Hello, Ada!"})
        assert ask("GET /greetings/{name}", "Ada", language="de") == (200, {"greeting": "Hallo, Ada!"})

    def test_a_language_that_it_does_not_speak_is_refused(self) -> None:
        status, body = ask("GET /greetings/{name}", "Ada", language="xx")
        assert status == 400
        assert "en, de, fr" in body["error"]

    def test_it_says_what_it_is(self) -> None:
        status, body = ask("GET /")
        assert status == 200
        assert set(body) == {"service", "stage", "branch", "commit"}

    def test_every_route_has_a_handler(self) -> None:
        assert set(ROUTES) == {"GET /", "GET /greetings/{name}"}


if __name__ == "__main__":
    unittest.main()
