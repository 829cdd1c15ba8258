"""The receipt: what it keeps, and what it takes for changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3deployer.receipt import Receipt, digest, folder_of, is_receipt, key_of, mark

DIGESTS = st.frozensets(st.binary(min_size=16, max_size=16), max_size=20)


@given(digests=DIGESTS, distribution=st.sampled_from(["", "E2EXAMPLE12345"]))
def test_it_is_read_back(digests: frozenset[bytes], distribution: str) -> None:
    receipt = Receipt(digests, mark(distribution))
    assert Receipt.decode(receipt.encode()) == receipt


def test_it_tells_distributions_apart_and_none_from_one() -> None:
    assert len({mark(""), mark("E2EXAMPLE12345"), mark("E2EXAMPLE12346")}) == 3
    assert mark("") == b""


def test_the_same_receipt_is_the_same_object() -> None:
    ones = [bytes([n]) * 16 for n in range(40)]
    assert Receipt(frozenset(ones)).encode() == Receipt(frozenset(reversed(ones))).encode()


WHOLE = Receipt(frozenset({b"a" * 16})).encode()


@pytest.mark.parametrize(
    "content", [None, b"", b"<html>", WHOLE[:-1], WHOLE + b"x", WHOLE.replace(b" 2\n", b" 1\n"), WHOLE[:21]]
)
def test_what_is_no_receipt_is_an_empty_one(content: bytes | None) -> None:
    assert Receipt.decode(content) == Receipt()


BASE = digest("a.js", '"e1"', {"Content-Type": "t", "Cache-Control": "c"}, b"1" * 32)


@pytest.mark.parametrize(
    "other",
    [
        digest("b.js", '"e1"', {"Content-Type": "t", "Cache-Control": "c"}, b"1" * 32),
        digest("a.js", '"e2"', {"Content-Type": "t", "Cache-Control": "c"}, b"1" * 32),
        digest("a.js", '"e1"', {"Content-Type": "t", "Cache-Control": "d"}, b"1" * 32),
        digest("a.js", '"e1"', {"Content-Type": "t"}, b"1" * 32),
        digest("a.js", '"e1"', {"Content-Type": "t", "Cache-Control": "c"}, b"2" * 32),
    ],
    ids=["key", "etag", "header", "header-gone", "content"],
)
def test_each_part_counts(other: bytes) -> None:
    assert other != BASE


def test_the_order_of_headers_does_not_count() -> None:
    assert digest("a.js", '"e1"', {"Cache-Control": "c", "Content-Type": "t"}, b"1" * 32) == BASE


def test_its_key() -> None:
    assert (key_of(""), key_of("docs")) == (".deployer/published", "docs/.deployer/published")
    assert [key for key in ("a", key_of(""), key_of("docs"), "x.deployer/published") if is_receipt(key)] == [
        key_of(""),
        key_of("docs"),
    ]
    assert [folder_of(key_of("")), folder_of(key_of("docs/v1"))] == ["", "docs/v1/"]
