"""Run by the API's build alone."""

import json
import unittest
from typing import Any

from services.api.app import handler


def get(path: str) -> tuple[int, Any]:
    answer = handler({"rawPath": path}, None)
    return answer["statusCode"], json.loads(answer["body"])


class AppTest(unittest.TestCase):
    def test_it_tells_what_is_sold(self) -> None:
        status, products = get("/products")
        assert status == 200
        assert {"name": "Coffee", "price": "3.20"} in products

    def test_it_says_which_commit_it_is(self) -> None:
        assert set(get("/")[1]) == {"service", "stage", "commit"}

    def test_elsewhere_is_nothing(self) -> None:
        assert get("/elsewhere")[0] == 404


if __name__ == "__main__":
    unittest.main()
