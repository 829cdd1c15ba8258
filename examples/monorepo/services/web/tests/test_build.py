"""Run by the website's build alone."""

import unittest

from services.web.build import page


class PageTest(unittest.TestCase):
    def test_it_shows_what_is_sold(self) -> None:
        assert "<li>Coffee: 3.20</li>" in page()


if __name__ == "__main__":
    unittest.main()
