"""Buckets in stacks as strictly as S3 and CloudFormation take them.

ministack's CloudFormation makes a bucket with an illegal name and deletes one with objects in it; S3 itself would
refuse both. Stack tags reach buckets, as they do on AWS.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from . import emulator
from .host import Host

TYPE = "AWS::S3::Bucket"

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


class BucketRefusedError(ValueError):
    """The reason CloudFormation shows for the resource."""


def install(_host: Host) -> None:
    """Extension for `Host`."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    storage = emulator.module("services.s3")
    reason = emulator.module("services.cloudformation.helpers")._sdk_error
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS[TYPE]
    create, update = handlers["create"], handlers["update"]
    provisioners._STACK_TAG_PROPERTY[TYPE] = ("Tags", "list")

    def named(properties: Mapping[str, Any]) -> None:
        name = properties.get("BucketName")
        if name and not legal_name(str(name)):
            raise BucketRefusedError(reason("The specified bucket is not valid.", "S3", 400))

    def tagged(made: tuple[str, Any], properties: Mapping[str, Any]) -> tuple[str, Any]:
        storage._bucket_tags[made[0]] = provisioners._tag_map(properties.get("Tags"))
        return made

    def create_strictly(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, Any]:
        named(properties)
        return tagged(create(logical_id, properties, stack_name), properties)

    def update_strictly(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> tuple[str, Any]:
        named(new)
        return tagged(update(physical_id, old, new, stack_name), new)

    def delete_strictly(physical_id: str, _properties: Any) -> None:
        status, _, body = storage._delete_bucket(physical_id)
        if status < 300 or status == 404:
            return
        raise BucketRefusedError(reason(_message(body), "S3", status))

    handlers.update(create=create_strictly, update=update_strictly, delete=delete_strictly)
    emulator.wrap(storage, "_validate_bucket_name", lambda _original: legal_name)


def legal_name(name: str) -> bool:
    """Whether S3 takes `name` for a general purpose bucket."""
    if not _NAME.fullmatch(name) or ".." in name:
        return False
    if name.startswith(_PREFIXES) or name.endswith(_SUFFIXES):
        return False
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return True
    return False


def _message(body: bytes) -> str:
    # Our own service's answer, never foreign XML.
    found = ElementTree.fromstring(body).iter()  # noqa: S314
    return next((each.text or "" for each in found if each.tag.rpartition("}")[2] == "Message"), "")
