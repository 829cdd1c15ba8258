"""What is sold: the API tells it, the website shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """``cents``: its price."""

    name: str
    cents: int

    @property
    def price(self) -> str:
        """As it is shown: ``4.50``."""
        return f"{self.cents // 100}.{self.cents % 100:02}"


PRODUCTS = (Product("Coffee", 320), Product("Cake", 450))
