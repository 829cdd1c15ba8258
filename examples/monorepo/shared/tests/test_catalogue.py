"""Run by both builds: what one service needs of it the other may break."""

import unittest

from shared.catalogue import PRODUCTS, Product


class CatalogueTest(unittest.TestCase):
    def test_prices_have_two_digits(self) -> None:
        assert [Product("x", cents).price for cents in (5, 320, 1000)] == ["0.05", "3.20", "10.00"]

    def test_no_product_is_there_twice(self) -> None:
        names = [product.name for product in PRODUCTS]
        assert len(set(names)) == len(names)


if __name__ == "__main__":
    unittest.main()
