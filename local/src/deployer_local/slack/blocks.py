"""Block Kit's limits, for the blocks that a message may hold.

Pure: blocks in, complaints out, worded and located as Slack does. Checks kind, presence and length; what a block looks
like on a screen is no concern here.

https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Iterator

MOST_BLOCKS = 50
_KINDS = frozenset(
    [
        "actions",
        "alert",
        "card",
        "carousel",
        "context",
        "context_actions",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "plan",
        "rich_text",
        "section",
        "table",
        "task_card",
        "video",
    ]
)
_MOST_ELEMENTS = {"actions": 25, "context": 10}


def complaints(blocks: object) -> list[str]:
    """What Slack would say against these blocks; nothing if they are fine."""
    if not isinstance(blocks, list):
        return ["[ERROR] must be an array [json-pointer:/blocks]"]
    if len(blocks) > MOST_BLOCKS:
        return [f"[ERROR] no more than {MOST_BLOCKS} items allowed [json-pointer:/blocks]"]
    found = [each for at, block in enumerate(blocks) for each in _of_block(block, f"/blocks/{at}")]
    names = [block.get("block_id") for block in blocks if isinstance(block, dict) and block.get("block_id")]
    if len(names) != len(set(map(str, names))):
        found.append("[ERROR] block_id must be unique [json-pointer:/blocks]")
    return found


def _of_block(block: object, at: str) -> Iterator[str]:
    if not isinstance(block, dict):
        yield f"[ERROR] must be an object [json-pointer:{at}]"
        return
    kind = block.get("type")
    if kind not in _KINDS:
        yield f"[ERROR] unsupported type: {kind} [json-pointer:{at}/type]"
        return
    if len(str(block.get("block_id", ""))) > 255:
        yield f"[ERROR] must be less than 256 characters [json-pointer:{at}/block_id]"
    match kind:
        case "section":
            yield from _of_section(block, at)
        case "header":
            yield from _of_text(block.get("text"), f"{at}/text", most=150, kinds=("plain_text",))
        case "actions" | "context":
            yield from _of_elements(block.get("elements"), f"{at}/elements", _MOST_ELEMENTS[str(kind)])
        case "image":
            if not block.get("image_url") and not block.get("slack_file"):
                yield f"[ERROR] missing required field: image_url [json-pointer:{at}]"
            if not block.get("alt_text"):
                yield f"[ERROR] missing required field: alt_text [json-pointer:{at}]"
        case "markdown":
            yield from _of_string(block.get("text"), f"{at}/text", most=12_000)


def _of_section(block: dict[str, object], at: str) -> Iterator[str]:
    fields = block.get("fields")
    if "text" not in block and not fields:
        yield f"[ERROR] missing required field: text [json-pointer:{at}]"
    if "text" in block:
        yield from _of_text(block["text"], f"{at}/text", most=3000)
    if fields is not None:
        if not isinstance(fields, list) or len(fields) > 10:
            yield f"[ERROR] no more than 10 items allowed [json-pointer:{at}/fields]"
            return
        for number, field in enumerate(fields):
            yield from _of_text(field, f"{at}/fields/{number}", most=2000)
    if "accessory" in block:
        yield from _of_element(block["accessory"], f"{at}/accessory")


def _of_elements(elements: object, at: str, most: int) -> Iterator[str]:
    if not isinstance(elements, list) or not elements:
        yield f"[ERROR] must be a non-empty array [json-pointer:{at}]"
        return
    if len(elements) > most:
        yield f"[ERROR] no more than {most} items allowed [json-pointer:{at}]"
    for number, element in enumerate(elements):
        yield from _of_element(element, f"{at}/{number}")


def _of_element(element: object, at: str) -> Iterator[str]:
    if not isinstance(element, dict) or not isinstance(element.get("type"), str):
        yield f"[ERROR] missing required field: type [json-pointer:{at}]"
        return
    match element["type"]:
        case "plain_text" | "mrkdwn":
            yield from _of_text(element, at, most=3000)
        case "button":
            yield from _of_text(element.get("text"), f"{at}/text", most=75, kinds=("plain_text",))
            for name, most in (("url", 3000), ("value", 2000), ("action_id", 255)):
                if len(str(element.get(name, ""))) > most:
                    yield f"[ERROR] must be less than {most + 1} characters [json-pointer:{at}/{name}]"


def _of_text(text: object, at: str, *, most: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, dict):
        yield f"[ERROR] must be a valid text object [json-pointer:{at}]"
        return
    if text.get("type") not in kinds:
        yield f"[ERROR] must be one of: {', '.join(kinds)} [json-pointer:{at}/type]"
    yield from _of_string(text.get("text"), f"{at}/text", most=most)


def _of_string(text: object, at: str, *, most: int) -> Iterator[str]:
    if not isinstance(text, str) or not text:
        yield f"[ERROR] must be more than 0 characters [json-pointer:{at}]"
    elif len(text) > most:
        yield f"[ERROR] must be less than {most + 1} characters [json-pointer:{at}]"
