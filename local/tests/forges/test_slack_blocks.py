"""Block Kit's limits in the local Slack: at each limit, one beyond it, and beside what slack_sdk's own models say."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    ImageBlock,
    ImageElement,
    MarkdownBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
    VideoBlock,
)
from tests.contracts import slack as contract

from deployer_local.slack.blocks import NOT_SERVED, NOT_SERVED_ELEMENTS, SERVED, complaints

URL = "https://example.com/"


def x(length: int) -> str:
    return "x" * length


def url(length: int) -> str:
    return URL + x(length - len(URL))


def button(**more: Any) -> ButtonElement:
    return ButtonElement(text="Go", **more)


def acting(**more: Any) -> ActionsBlock:
    return ActionsBlock(elements=[button(**more)])


def confirm(**more: Any) -> ActionsBlock:
    texts = {"title": "Sure?", "text": "Really?", "confirm": "Yes", "deny": "No"}
    return acting(confirm=ConfirmObject(**{**texts, **more}))


def video(**more: Any) -> VideoBlock:
    return VideoBlock(**{"alt_text": "a", "video_url": URL, "thumbnail_url": URL, "title": "t", **more})


# Each makes a block of a given size with slack_sdk's models, whose own validators know the same limit.
MODELS: dict[str, tuple[Callable[[int], Block], int]] = {
    "section-text": (lambda n: SectionBlock(text=x(n)), 3000),
    "section-fields": (lambda n: SectionBlock(fields=["x"] * n), 10),
    "header-text": (lambda n: HeaderBlock(text=x(n)), 150),
    "markdown-text": (lambda n: MarkdownBlock(text=x(n)), 12_000),
    "block-id": (lambda n: DividerBlock(block_id=x(n)), 255),
    "context-elements": (lambda n: ContextBlock(elements=[PlainTextObject(text="x")] * n), 10),
    "context-image-url": (lambda n: ContextBlock(elements=[ImageElement(image_url=url(n), alt_text="a")]), 3000),
    "context-image-alt": (lambda n: ContextBlock(elements=[ImageElement(image_url=URL, alt_text=x(n))]), 2000),
    "actions-elements": (lambda n: ActionsBlock(elements=[button(action_id=f"a{each}") for each in range(n)]), 25),
    "button-text": (lambda n: ActionsBlock(elements=[ButtonElement(text=x(n))]), 75),
    "button-url": (lambda n: acting(url=url(n)), 3000),
    "button-value": (lambda n: acting(value=x(n)), 2000),
    "button-action-id": (lambda n: acting(action_id=x(n)), 255),
    "button-label": (lambda n: acting(accessibility_label=x(n)), 75),
    "confirm-title": (lambda n: confirm(title=x(n)), 100),
    "confirm-text": (lambda n: confirm(text=x(n)), 300),
    "confirm-confirm": (lambda n: confirm(confirm=x(n)), 30),
    "confirm-deny": (lambda n: confirm(deny=x(n)), 30),
    "accessory-url": (lambda n: SectionBlock(text="x", accessory=button(url=url(n))), 3000),
    "image-url": (lambda n: ImageBlock(image_url=url(n), alt_text="a"), 3000),
    "image-alt": (lambda n: ImageBlock(image_url=URL, alt_text=x(n)), 2000),
    "video-title": (lambda n: video(title=x(n)), 199),
    "video-author": (lambda n: video(author_name=x(n)), 49),
}


@pytest.mark.parametrize(("make", "limit"), MODELS.values(), ids=MODELS)
def test_the_verdict_is_slack_sdks(make: Callable[[int], Block], limit: int) -> None:
    with pytest.raises(SlackObjectFormationError):
        make(limit + 1).to_dict()
    block = make(limit).to_dict()
    assert (complaints([block]), contract.of_blocks([block])) == ([], [])
    beyond, changes = longer(block, limit)
    assert changes == 1
    assert len(complaints([beyond])) == 1
    assert contract.of_blocks([beyond])


def longer(value: Any, limit: int) -> tuple[Any, int]:
    """What has this length, with one more of the same at its end; and how many such there were."""
    if isinstance(value, str | list) and len(value) == limit:
        return value + value[-1:], 1
    if isinstance(value, list):
        each = [longer(item, limit) for item in value]
        return [item for item, _ in each], sum(count for _, count in each)
    if isinstance(value, dict):
        fields = {name: longer(item, limit) for name, item in value.items()}
        return {name: item for name, (item, _) in fields.items()}, sum(count for _, count in fields.values())
    return value, 0


def section(text: Any) -> dict[str, Any]:
    return {"type": "section", "text": text}


def plain(text: Any, **more: Any) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, **more}


def rich(*elements: Any) -> dict[str, Any]:
    return {"type": "rich_text", "elements": list(elements)}


def span(*parts: Any, kind: str = "rich_text_section", **more: Any) -> dict[str, Any]:
    return {"type": kind, "elements": list(parts), **more}


WORD = {"type": "text", "text": "x"}
CELL = {"type": "raw_text", "text": "x"}
IMAGE = {"type": "image", "image_url": URL, "alt_text": "a"}

# What slack_sdk's models do not look at: (blocks that are fine, blocks that are not, what is said and where).
CASES: dict[str, tuple[Any, Any, str]] = {
    "50-blocks": (
        [{"type": "divider"}] * 50,
        [{"type": "divider"}] * 51,
        "no more than 50 items allowed [json-pointer:/blocks]",
    ),
    "markdown-in-all": (
        [{"type": "markdown", "text": x(6000)}] * 2,
        [{"type": "markdown", "text": x(6000)}, {"type": "markdown", "text": x(6001)}],
        "less than 12001 characters in all",
    ),
    "field-text": (
        [{"type": "section", "fields": [plain(x(2000))]}],
        [{"type": "section", "fields": [plain("x"), plain(x(2001))]}],
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/1/text]",
    ),
    "context-text": (
        [{"type": "context", "elements": [plain(x(3000))]}],
        [{"type": "context", "elements": [plain(x(3001))]}],
        "/blocks/0/elements/0/text]",
    ),
    "image-title": (
        [{**IMAGE, "title": plain(x(2000))}],
        [{**IMAGE, "title": plain(x(2001))}],
        "/blocks/0/title/text]",
    ),
    "image-source": (
        [{"type": "image", "slack_file": {"id": "F1"}, "alt_text": "a"}],
        [{"type": "image", "alt_text": "a"}],
        "image_url",
    ),
    "image-without-words": ([IMAGE], [{"type": "image", "image_url": URL}], "missing required field: alt_text"),
    "rows": (
        [{"type": "table", "rows": [[CELL]] * 100}],
        [{"type": "table", "rows": [[CELL]] * 101}],
        "no more than 100 items allowed [json-pointer:/blocks/0/rows]",
    ),
    "cells": (
        [{"type": "table", "rows": [[CELL] * 20]}],
        [{"type": "table", "rows": [[CELL] * 21]}],
        "no more than 20 items allowed [json-pointer:/blocks/0/rows/0]",
    ),
    "cell": (
        [{"type": "table", "rows": [[rich(span(WORD))]]}],
        [{"type": "table", "rows": [[plain("x")]]}],
        "unsupported type: plain_text [json-pointer:/blocks/0/rows/0/0/type]",
    ),
    "number-cell": (
        [{"type": "table", "rows": [[{"type": "raw_number", "text": "1,5", "value": 1.5}]]}],
        [{"type": "table", "rows": [[{"type": "raw_number", "text": "yes", "value": True}]]}],
        "must be a number [json-pointer:/blocks/0/rows/0/0/value]",
    ),
    "columns": (
        [{"type": "table", "rows": [[CELL]], "column_settings": [{"align": "right"}, None]}],
        [{"type": "table", "rows": [[CELL]], "column_settings": [{"align": "up"}]}],
        "must be one of: left, center, right",
    ),
    "column-settings": (
        [{"type": "table", "rows": [[CELL]], "column_settings": [None] * 20}],
        [{"type": "table", "rows": [[CELL]], "column_settings": [None] * 21}],
        "no more than 20 items allowed",
    ),
    "column-settings-of-words": (
        [{"type": "table", "rows": [[CELL]], "column_settings": [{}]}],
        [{"type": "table", "rows": [[CELL]], "column_settings": ["right"]}],
        "must be an object [json-pointer:/blocks/0/column_settings/0]",
    ),
    "video-https": (
        [{"type": "video", "alt_text": "a", "video_url": URL, "thumbnail_url": URL, "title": plain("t")}],
        [{"type": "video", "alt_text": "a", "video_url": "http://x", "thumbnail_url": URL, "title": plain("t")}],
        "must start with https:// [json-pointer:/blocks/0/video_url]",
    ),
    "video-description": (
        [
            {
                "type": "video",
                "alt_text": "a",
                "video_url": URL,
                "thumbnail_url": URL,
                "title": plain("t"),
                "description": plain(x(199)),
            }
        ],
        [
            {
                "type": "video",
                "alt_text": "a",
                "video_url": URL,
                "thumbnail_url": URL,
                "title": plain("t"),
                "description": plain(x(200)),
            }
        ],
        "/blocks/0/description/text]",
    ),
    "rich-text": (
        [
            rich(
                span(
                    WORD,
                    {"type": "link", "url": URL},
                    {"type": "user", "user_id": "U1"},
                    {"type": "emoji", "name": "x"},
                ),
                span(WORD, kind="rich_text_quote", border=1),
                span({**WORD, "style": {"bold": True}}, kind="rich_text_preformatted"),
                span(span(WORD), kind="rich_text_list", style="ordered", indent=8),
                span({"type": "date", "timestamp": 1, "format": "{date}"}, {"type": "broadcast", "range": "here"}),
            )
        ],
        [rich(span({"type": "shout", "text": "x"}))],
        "unsupported type: shout [json-pointer:/blocks/0/elements/0/elements/0/type]",
    ),
    "rich-text-element": (
        [rich(span(WORD))],
        [rich(WORD)],
        "unsupported type: text [json-pointer:/blocks/0/elements/0/type]",
    ),
    "rich-text-style": (
        [rich(span({**WORD, "style": {"code": True}}))],
        [rich(span({**WORD, "style": {"code": 1}}))],
        "must be a boolean",
    ),
    "rich-text-indent": (
        [rich(span(span(WORD), kind="rich_text_list", style="bullet", indent=0))],
        [rich(span(span(WORD), kind="rich_text_list", style="bullet", indent=9))],
        "must be an integer from 0 to 8 [json-pointer:/blocks/0/elements/0/indent]",
    ),
    "rich-text-list": (
        [rich(span(span(WORD), kind="rich_text_list", style="bullet"))],
        [rich(span(WORD, kind="rich_text_list", style="bullet"))],
        "unsupported type: text",
    ),
    "rich-text-list-style": (
        [rich(span(span(WORD), kind="rich_text_list", style="bullet"))],
        [rich(span(span(WORD), kind="rich_text_list"))],
        "missing required field: style",
    ),
    "preformatted": (
        [rich(span(WORD, kind="rich_text_preformatted"))],
        [rich(span({"type": "user", "user_id": "U1"}, kind="rich_text_preformatted"))],
        "unsupported type: user",
    ),
    "header-is-plain": (
        [{"type": "header", "text": plain("x")}],
        [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
        "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
    ),
    "block-id-twice": (
        [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "b"}],
        [{"type": "divider", "block_id": "a"}] * 2,
        "block_id must be unique",
    ),
    "empty-text": ([section(plain("x"))], [section(plain(""))], "must be more than 0 characters"),
    "text-is-text": ([section(plain("x"))], [section(plain(7))], "must be a string"),
    "section-without-text": ([section(plain("x"))], [{"type": "section"}], "missing required field: text"),
    "verbatim-is-mrkdwns": (
        [section({"type": "mrkdwn", "text": "x", "verbatim": True})],
        [section(plain("x", verbatim=True))],
        "invalid additional property: verbatim [json-pointer:/blocks/0/text]",
    ),
    "emoji-is-plains": (
        [section(plain("x", emoji=True))],
        [section({"type": "mrkdwn", "text": "x", "emoji": True})],
        "invalid additional property: emoji",
    ),
    "an-unknown-field": (
        [{"type": "divider"}],
        [{"type": "divider", "colour": "red"}],
        "invalid additional property: colour",
    ),
    "no-actions": (
        [ActionsBlock(elements=[button()]).to_dict()],
        [{"type": "actions", "elements": []}],
        "no fewer than 1 items",
    ),
    "button-style": (
        [ActionsBlock(elements=[button(style="danger")]).to_dict()],
        [{"type": "actions", "elements": [{"type": "button", "text": plain("x"), "style": "loud"}]}],
        "must be one of: primary, danger",
    ),
    "a-button-in-a-context": (
        [{"type": "context", "elements": [IMAGE]}],
        [{"type": "context", "elements": [{"type": "button", "text": plain("x")}]}],
        "unsupported type: button",
    ),
    "an-unknown-block": (
        [{"type": "divider"}],
        [{"type": "sektion"}],
        "unsupported type: sektion [json-pointer:/blocks/0/type]",
    ),
    "a-block-without-type": (
        [{"type": "divider"}],
        [{"block_id": "a"}],
        "missing required field: type [json-pointer:/blocks/0]",
    ),
    "elements-in-no-array": (
        [rich(span(WORD))],
        [{"type": "rich_text", "elements": span(WORD)}],
        "must be an array [json-pointer:/blocks/0/elements]",
    ),
    "no-object": ([], ["text"], "must be an object [json-pointer:/blocks/0]"),
    "no-array": ([], {}, "must be an array [json-pointer:/blocks]"),
}


@pytest.mark.parametrize(("fine", "wrong", "said"), CASES.values(), ids=CASES)
def test_what_the_models_do_not_look_at(fine: Any, wrong: Any, said: str) -> None:
    assert complaints(fine) == []
    assert [each for each in complaints(wrong) if said in each], complaints(wrong)


@pytest.mark.parametrize("kind", sorted(NOT_SERVED))
def test_a_block_that_is_not_checked_is_not_taken(kind: str) -> None:
    assert complaints([{"type": kind}]) == [f"not served by the local Slack: {kind} [json-pointer:/blocks/0/type]"]


@pytest.mark.parametrize("kind", sorted(NOT_SERVED_ELEMENTS))
def test_an_element_that_is_not_checked_is_not_taken(kind: str) -> None:
    for block in (
        {"type": "actions", "elements": [{"type": kind}]},
        section(plain("x")) | {"accessory": {"type": kind}},
    ):
        [said] = complaints([block])
        assert said.startswith(f"not served by the local Slack: {kind} ")


def kinds(model: type) -> set[str]:
    """Every kind that slack_sdk has a model for."""
    found = {kind for each in model.__subclasses__() for kind in kinds(each)}
    return found | ({model.type} if isinstance(getattr(model, "type", None), str) else set())


def test_every_block_that_slack_sdk_knows_is_checked_or_refused_by_name() -> None:
    assert kinds(Block) <= SERVED | NOT_SERVED
    assert not SERVED & NOT_SERVED


def test_every_element_that_slack_sdk_knows_is_checked_or_refused_by_name() -> None:
    from slack_sdk.models.blocks import InteractiveElement

    only_in_inputs = {"plain_text_input", "email_text_input", "url_text_input", "number_input", "file_input"}
    assert kinds(InteractiveElement) - only_in_inputs <= {"button"} | NOT_SERVED_ELEMENTS


def test_text_is_measured_as_it_was_sent() -> None:
    assert complaints([SectionBlock(text=MarkdownTextObject(text="&amp;" * 600)).to_dict()]) == []
    assert complaints([section({"type": "mrkdwn", "text": "&amp;" * 600 + "x"})])
