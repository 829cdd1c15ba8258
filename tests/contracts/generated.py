"""Values that a schema allows, as a hypothesis strategy: for the part of JSON schema that the contracts here use."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.contracts.aws_events import KINDS


def documented(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Events of one kind, as AWS may send them: from the place where the resource is that they name."""

    def placed(event: dict[str, Any], arn: str) -> dict[str, Any]:
        detail = event["detail"] | ({"stack-id": arn} if "stack-id" in event["detail"] else {})
        _, _, _, region, account, *_ = arn.split(":")
        return event | {"region": region, "account": account, "resources": [arn], "detail": detail}

    arns = values(KINDS[kind]["properties"]["resources"]["items"])
    return st.builds(placed, values(KINDS[kind]), arns)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that ``schema`` allows; KeyError for a keyword that this does not know."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "oneOf" in schema:
        return st.one_of([values(each) for each in schema["oneOf"]])
    return {"object": _object, "array": _array, "string": _string, "number": _number}[schema["type"]](schema)


def _object(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: values(each) for name, each in schema.get("properties", {}).items()}
    required = {name: members.pop(name) for name in schema.get("required", [])}
    found = st.fixed_dictionaries(required, optional=members)
    least = schema.get("minProperties", 0)
    return found.filter(lambda value: len(value) >= least) if least else found


def _array(schema: dict[str, Any]) -> st.SearchStrategy[list[Any]]:
    least = schema.get("minItems", 0)
    return st.lists(values(schema["items"]), min_size=least, max_size=schema.get("maxItems", least + 2))


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        # A regular expression's $ would also allow a line end.
        return st.from_regex(schema["pattern"].removeprefix("^").removesuffix("$"), fullmatch=True)
    return st.text(min_size=schema.get("minLength", 0), max_size=20)


def _number(schema: dict[str, Any]) -> st.SearchStrategy[float]:
    return st.integers(schema["minimum"], 10_000).map(float)
