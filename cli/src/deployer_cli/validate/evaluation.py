"""What expressions of a template come to in one environment, as far as that can be known before there is one.

Pure. A resource's own name and attributes stand for themselves, distinct in every stack, as those that CloudFormation
makes up are.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_VARIABLE = re.compile(r"\$\{(!?)\s*([^}]*?)\s*\}")
# What nobody knows before there is an account.
ACCOUNT, REGION, PARTITION = "123456789012", "eu-central-1", "aws"
IMAGINED = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": PARTITION,
    "AWS::URLSuffix": "amazonaws.com",
}


class Unknown(Exception):  # noqa: N818 - no error: an answer
    """Nobody can tell before it is deployed."""


@dataclass(frozen=True)
class Scope:
    """A template in one environment. ``parameters``: their values, None where one is given that nobody can tell.

    ``account``: the pseudo parameters of account and region.
    """

    stack: str
    template: Mapping[str, Any]
    parameters: Mapping[str, str | None]
    account: Mapping[str, str] = field(default_factory=lambda: IMAGINED)

    def text(self, expression: Any) -> str | None:
        """What a value comes to as text, or None where nobody can tell."""
        try:
            value = self._value(expression)
        except Unknown:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int | float) else None

    def exists(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource is made; True where nobody can tell."""
        try:
            return "Condition" not in resource or self._condition(resource["Condition"])
        except Unknown:
            return True

    def _section(self, name: str) -> Mapping[str, Any]:
        found = self.template.get(name)
        return found if isinstance(found, Mapping) else {}

    def _value(self, expression: Any) -> Any:
        if isinstance(expression, list):
            return [self._value(item) for item in expression]
        if not isinstance(expression, Mapping):
            return expression
        if len(expression) == 1:
            [(function, argument)] = expression.items()
            if function == "Ref" or str(function).startswith("Fn::"):
                return self._function(str(function), argument)
        return {key: self._value(value) for key, value in expression.items()}

    def _function(self, function: str, argument: Any) -> Any:
        match function, argument:
            case "Ref", str(name):
                return self._ref(name)
            case "Fn::Sub", str(text):
                return self._substitute(text, {})
            case "Fn::Sub", [str(text), dict(own)]:
                return self._substitute(text, own)
            case "Fn::GetAtt", str(name):
                return f"{self.stack}-{name}"
            case "Fn::GetAtt", [str(name), str(attribute)]:
                return f"{self.stack}-{name}.{attribute}"
            case "Fn::Join", [str(separator), items]:
                return separator.join(self._texts(items))
            case "Fn::Split", [str(separator), text]:
                return self._certain(text).split(separator)
            case "Fn::Select", [index, items]:
                return self._select(self._certain(index), self._value(items))
            case "Fn::If", [str(condition), then, otherwise]:
                return self._value(then if self._condition(condition) else otherwise)
            case "Fn::FindInMap", [first, *keys]:
                return self._find(self._certain(first), [self._certain(key) for key in keys[:2]])
            case "Fn::ToJsonString", _:
                return json.dumps(self._value(argument))
        raise Unknown

    def _certain(self, expression: Any) -> str:
        text = self.text(expression)
        if text is None:
            raise Unknown
        return text

    def _texts(self, items: Any) -> list[str]:
        found = self._value(items)
        if not isinstance(found, list):
            raise Unknown
        return [self._certain(item) for item in found]

    @staticmethod
    def _select(index: str, items: Any) -> Any:
        if isinstance(items, list) and index.isdecimal() and int(index) < len(items):
            return items[int(index)]
        raise Unknown

    def _find(self, name: str, keys: list[str]) -> Any:
        found: Any = self._section("Mappings").get(name)
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is None:
            raise Unknown
        return found

    def _ref(self, name: str) -> str:
        if name == "AWS::StackName":
            return self.stack
        if name == "AWS::StackId":
            partition, region, account = (self.account[f"AWS::{it}"] for it in ("Partition", "Region", "AccountId"))
            return f"arn:{partition}:cloudformation:{region}:{account}:stack/{self.stack}/1"
        if name in self.account:
            return self.account[name]
        value = self.parameters.get(name)
        if value is not None:
            return value
        if name in self._section("Resources"):
            return f"{self.stack}-{name}"
        raise Unknown

    def _substitute(self, text: str, own: Mapping[str, Any]) -> str:
        def value(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in own:
                return self._certain(own[name])
            return f"{self.stack}-{name}" if "." in name else self._ref(name)

        return _VARIABLE.sub(value, text)

    def _condition(self, condition: Any) -> bool:
        if isinstance(condition, str):
            conditions = self._section("Conditions")
            if condition not in conditions:
                raise Unknown
            return self._condition(conditions[condition])
        match condition:
            case {"Condition": str(name)}:
                return self._condition(name)
            case {"Fn::Equals": [one, other]}:
                return self._certain(one) == self._certain(other)
            case {"Fn::Not": [inner]}:
                return not self._condition(inner)
            case {"Fn::And": [*several]}:
                return all(self._condition(each) for each in several)
            case {"Fn::Or": [*several]}:
                return any(self._condition(each) for each in several)
        raise Unknown


def references(expression: Any) -> Iterator[str]:
    """The names that an expression refers to: parameters and resources, attributes' owners too."""
    if isinstance(expression, list):
        for item in expression:
            yield from references(item)
    elif isinstance(expression, Mapping):
        for key, value in expression.items():
            match key, value:
                case "Ref", str(name):
                    yield name
                case "Fn::GetAtt", str(name) | [str(name), *_]:
                    yield name.partition(".")[0]
                case "Fn::Sub", str(text) | [str(text), *_]:
                    yield from (name.partition(".")[0] for literal, name in _VARIABLE.findall(text) if not literal)
                    yield from references(value)
                case _:
                    yield from references(value)


def depends(resources: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Resource -> all that are made before it, and deleted after it."""
    direct = {
        name: {other for other in (*references(body), *_listed(body.get("DependsOn"))) if other in resources}
        for name, body in resources.items()
        if isinstance(body, Mapping)
    }
    found: dict[str, frozenset[str]] = {}
    for name in direct:
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            new = direct.get(waiting.pop(), set()) - seen
            seen |= new
            waiting.extend(new)
        found[name] = frozenset(seen)
    return found


def _listed(names: Any) -> list[str]:
    listed = names if isinstance(names, list) else [names]
    return [name for name in listed if isinstance(name, str)]
