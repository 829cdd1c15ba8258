"""Block Kit's rules for the blocks that a message may hold: kinds, fields, lengths, numbers.

Pure: blocks in, complaints out, worded and located as Slack does. A kind of block or element that Slack knows and that
is not checked here is refused by name. What a block looks like on a screen is no concern here, nor are the cumulative
limit behind `msg_blocks_too_long`, which Slack does not document, and the scope and domains that videos need.

https://docs.slack.dev/reference/block-kit/blocks (each block's page names its fields and limits)
"""

from collections.abc import Iterator, Mapping
from typing import Any

from deployer_local.slack.checks import (
    Check,
    Complaint,
    boolean,
    both,
    either,
    fields,
    list_of,
    number,
    one_of,
    string,
    typed,
    whole_number,
)

MOST_BLOCKS = 50
MOST_MARKDOWN = 12_000
# Known to Slack (or to slack-sdk's models) and not checked here.
NOT_SERVED = frozenset(
    [
        "alert",
        "auth_provider",
        "call",
        "card",
        "carousel",
        "container",
        "context_actions",
        "data_table",
        "data_visualization",
        "file",
        "input",
        "plan",
        "task_card",
    ]
)
NOT_SERVED_ELEMENTS = frozenset(
    [
        "channels_select",
        "checkboxes",
        "conversations_select",
        "datepicker",
        "datetimepicker",
        "external_select",
        "feedback_buttons",
        "icon_button",
        "multi_channels_select",
        "multi_conversations_select",
        "multi_external_select",
        "multi_static_select",
        "multi_users_select",
        "overflow",
        "radio_buttons",
        "rich_text_input",
        "static_select",
        "timepicker",
        "users_select",
        "workflow_button",
    ]
)


def complaints(blocks: object) -> list[str]:
    """What Slack would say against these blocks; nothing if they are fine."""
    return [f"{what} [json-pointer:{at}]" for what, at in _of_blocks(blocks)]


def _of_blocks(blocks: object) -> Iterator[Complaint]:
    if not isinstance(blocks, list):
        yield "must be an array", "/blocks"
        return
    if len(blocks) > MOST_BLOCKS:
        yield f"no more than {MOST_BLOCKS} items allowed", "/blocks"
        return
    for at, block in enumerate(blocks):
        yield from _block(block, f"/blocks/{at}")
    found = [block for block in blocks if isinstance(block, dict)]
    names = [str(block["block_id"]) for block in found if block.get("block_id")]
    if len(names) != len(set(names)):
        yield "block_id must be unique", "/blocks"
    markdown = sum(len(str(block.get("text", ""))) for block in found if block.get("type") == "markdown")
    if markdown > MOST_MARKDOWN:
        yield f"markdown blocks must be less than {MOST_MARKDOWN + 1} characters in all", "/blocks"


# Composition objects: https://docs.slack.dev/reference/block-kit/composition-objects


def _plain(most: int) -> Check:
    return typed({"plain_text": fields({"text": string(most)}, {"emoji": boolean})})


def _text(most: int = 3000) -> Check:
    plain = fields({"text": string(most)}, {"emoji": boolean})
    return typed({"plain_text": plain, "mrkdwn": fields({"text": string(most)}, {"verbatim": boolean})})


_SLACK_FILE = both(either("id", "url"), fields({}, {"id": string(), "url": string()}))
_CONFIRM = fields(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": one_of("primary", "danger")},
)

# Elements: https://docs.slack.dev/reference/block-kit/block-elements

_BUTTON = fields(
    {"text": _plain(75)},
    {
        "action_id": string(255),
        "url": string(3000),
        "value": string(2000),
        "style": one_of("primary", "danger"),
        "confirm": _CONFIRM,
        "accessibility_label": string(75),
    },
)
_PICTURE: dict[str, Check] = {"image_url": string(3000), "slack_file": _SLACK_FILE}
_IMAGE = both(either("image_url", "slack_file"), fields({"alt_text": string(2000, least=0)}, _PICTURE))

# Rich text: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block

_STYLE = fields(
    {},
    dict.fromkeys(
        ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean
    ),
)


def _part(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    return fields(required, {"style": _STYLE, **(optional or {})})


_SPANS: dict[str, Check] = {
    "text": _part({"text": string()}),
    "link": _part({"url": string(3000)}, {"text": string(), "unsafe": boolean}),
}
_PARTS = typed(
    {
        **_SPANS,
        "broadcast": _part({"range": one_of("here", "channel", "everyone")}),
        "channel": _part({"channel_id": string()}),
        "color": _part({"value": string()}),
        "date": _part({"timestamp": whole_number(), "format": string()}, {"url": string(), "fallback": string()}),
        "emoji": _part({"name": string()}, {"unicode": string(), "skin_tone": whole_number(1, 6)}),
        "team": _part({"team_id": string()}),
        "user": _part({"user_id": string()}),
        "usergroup": _part({"usergroup_id": string()}),
    }
)
_BORDER: dict[str, Check] = {"border": whole_number(0, 1)}
_RICH_SECTION = fields({"elements": list_of(_PARTS, least=0)}, {})
_RICH_TEXT = typed(
    {
        "rich_text_section": _RICH_SECTION,
        "rich_text_quote": fields({"elements": list_of(_PARTS)}, _BORDER),
        "rich_text_preformatted": fields({"elements": list_of(typed(_SPANS))}, {**_BORDER, "language": string()}),
        "rich_text_list": fields(
            {"elements": list_of(typed({"rich_text_section": _RICH_SECTION})), "style": one_of("bullet", "ordered")},
            {**_BORDER, "indent": whole_number(0, 8), "offset": whole_number()},
        ),
    }
)

# Blocks: https://docs.slack.dev/reference/block-kit/blocks

_ID: dict[str, Check] = {"block_id": string(255)}
_RICH_TEXT_BLOCK = fields({"elements": list_of(_RICH_TEXT)}, _ID)
_CELL = typed(
    {
        "raw_text": fields({"text": string()}, {}),
        "raw_number": fields({"text": string(), "value": number}, {}),
        "rich_text": _RICH_TEXT_BLOCK,
    }
)


def _column(value: Any, at: str) -> Iterator[Complaint]:
    if value is not None:  # null: the default for this column
        yield from fields({}, {"align": one_of("left", "center", "right"), "is_wrapped": boolean})(value, at)


_BLOCKS: dict[str, Check] = {
    "actions": fields({"elements": list_of(typed({"button": _BUTTON}, NOT_SERVED_ELEMENTS), most=25)}, _ID),
    "context": fields(
        {
            "elements": list_of(
                typed({"image": _IMAGE, "plain_text": _text(), "mrkdwn": _text()}),
                most=10,
            )
        },
        _ID,
    ),
    "divider": fields({}, _ID),
    "header": fields({"text": _plain(150)}, _ID),
    "image": both(
        either("image_url", "slack_file"),
        fields({"alt_text": string(2000)}, {**_ID, **_PICTURE, "title": _plain(2000)}),
    ),
    "markdown": fields({"text": string()}, _ID),  # their lengths are added up
    "rich_text": _RICH_TEXT_BLOCK,
    "section": both(
        either("text", "fields"),
        fields(
            {},
            {
                **_ID,
                "text": _text(3000),
                "fields": list_of(_text(2000), most=10),
                "accessory": typed({"button": _BUTTON, "image": _IMAGE}, NOT_SERVED_ELEMENTS),
                "expand": boolean,
            },
        ),
    ),
    "table": fields(
        {"rows": list_of(list_of(_CELL, most=20), most=100)}, {**_ID, "column_settings": list_of(_column, most=20)}
    ),
    "video": fields(
        {
            "alt_text": string(),
            "title": _plain(199),  # "must be less than 200 characters"
            "thumbnail_url": string(),
            "video_url": string(starts="https://"),
        },
        {
            **_ID,
            "title_url": string(starts="https://"),
            "description": _plain(199),
            "provider_icon_url": string(),
            "provider_name": string(),
            "author_name": string(49),
        },
    ),
}
_block = typed(_BLOCKS, NOT_SERVED)
SERVED = frozenset(_BLOCKS)
