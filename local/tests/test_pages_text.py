"""What the pages make of text: mrkdwn, links, states and times; whatever it holds, only our own tags come out."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from deployer_local.pages import links, mrkdwn, shown

PEOPLE = {"U1": "Ada <b>", "U2": "Bob"}
TEXTS = {
    "plain": ("a < b", "a &lt; b"),
    "entities": ("a &lt; b &amp;amp; &gt;", "a &lt; b &amp;amp; &gt;"),
    "bold": ("*a b* and *c*", "<strong>a b</strong> and <strong>c</strong>"),
    "stars-that-are-none": ("2 * 3 * 4 a*b*c", "2 * 3 * 4 a*b*c"),
    "italic": ("_a_ but snake_case_name", "<em>a</em> but snake_case_name"),
    "strike": ("~a~ ~/x", "<s>a</s> ~/x"),
    "within": ("*a `b` _d_*", "<strong>a <code>b</code> <em>d</em></strong>"),
    "code": ("`a*b* &lt;c&gt; :x:`", "<code>a*b* &lt;c&gt; :x:</code>"),
    "block": ("log\n```\na *b*\n`c`\n&lt;d&gt;\n```\nend", "log\n<pre>a *b*\n`c`\n&lt;d&gt;</pre>\nend"),
    "quote": ("&gt; a\n&gt;*b*\nc", "<blockquote>a\n<strong>b</strong></blockquote>c"),
    "link": ("<https://x.example/?a=1&amp;b=2|a &amp; b>", '<a href="https://x.example/?a=1&amp;b=2">a &amp; b</a>'),
    "bare-link": ("<http://x.example/>", '<a href="http://x.example/">http://x.example/</a>'),
    "link-with-a-picture": ("<http://x.example/|:rocket:>", '<a href="http://x.example/">🚀</a>'),
    "script-for-a-link": ("<javascript:alert(1)|x>", "x"),
    "script-with-a-host": ("<javascript://x.example/%0aalert(1)|x>", "x"),
    "script-alone": ("<javascript:alert(1)>", "javascript:alert(1)"),
    "no-address": ("<http://[|x>", "x"),
    "person": ("<@U1> <@U9> <@U8|eve>", "{}@Ada &lt;b&gt;</span> {}@U9</span> {}@eve</span>"),
    "channel": ("<#C1|general> <#C2>", "{}#general</span> {}#C2</span>"),
    "broadcast": ("<!channel> <!here|here>", "{}@channel</span> {}@here</span>"),
    "date": ("<!date^1^{date}|today>", "today"),
    "picture": (":white_check_mark: :x: :no_such_picture:", "✅ ❌ :no_such_picture:"),
    "tag": ("<b>*x*</b>", "b<strong>x</strong>/b"),
    "quotes": ("\"'", "&#34;&#39;"),
}


@pytest.mark.parametrize(("text", "html"), TEXTS.values(), ids=TEXTS)
def test_mrkdwn(text: str, html: str) -> None:
    mention = '<span class="mention">'
    assert str(mrkdwn.rendered(text, PEOPLE)) == html.replace("{}", mention)


def test_where_a_link_leads_is_decided_by_who_asks() -> None:
    assert mrkdwn.rendered("*<http://a|b>*", {}, lambda _: "/c") == Markup('<strong><a href="/c">b</a></strong>')
    # What leads nowhere here is no link.
    assert mrkdwn.rendered("<http://a|b> <http://a>", {}, lambda _: "") == Markup("b http://a")


def test_plain_text_has_pictures_and_nothing_else() -> None:
    assert mrkdwn.plain("*a* <@U1> :bell: <b>") == Markup("*a* &lt;@U1&gt; 🔔 &lt;b&gt;")


class Seen(HTMLParser):
    """The tags and addresses of some HTML, and the text that is left."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        self.attributes |= set(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


WORDS = st.sampled_from(
    [
        *("<", ">", "&lt;", "&amp;", "*", "_", "~", "`", "```", "\n", "|", "@U1", "!here", "#C1", '"', "'", " ", "a"),
        *(
            "https://x.example/",
            "javascript:alert(1)",
            "<script>",
            "</pre>",
            ":x:",
            "onclick='x'",
            "&#60;b&#62;",
            "&gt; ",
        ),
    ]
)


@given(st.lists(WORDS, max_size=25).map("".join) | st.text())
@example('<https://x" onclick="x|y>')
@example("<https://x|<script>alert(1)</script>>")
@example("&lt;script&gt;alert(1)&lt;/script&gt;")
@example("*<https://a|b*c>*")
def test_F69_whatever_a_message_holds_no_tag_comes_out_but_ours(text: str) -> None:
    seen = Seen(str(mrkdwn.rendered(text, PEOPLE, links.here)))
    assert seen.tags <= {"strong", "em", "s", "code", "pre", "blockquote", "a", "span"}
    assert seen.open == []
    for name, value in seen.attributes:
        assert (name, value) == ("class", "mention") or (name == "href" and (value or "").startswith(("http", "/")))


CONSOLE = "https://us-east-1.console.aws.amazon.com"
ARN = "arn:aws:cloudformation:us-east-1:1:stack/site/0a1b"
QUOTED = "arn%3Aaws%3Acloudformation%3Aus-east-1%3A1%3Astack%2Fsite%2F0a1b"
ADDRESSES = {
    "elsewhere": ("https://x.example/a?b#c", "https://x.example/a?b#c"),
    "a-host-that-looks-like-it": ("https://console.aws.amazon.com.evil.example/", ...),
    "run": (f"{CONSOLE}/codesuite/codepipeline/pipelines/site/executions/1-2/timeout?region=x", "/runs/site/1-2"),
    "pipeline": (f"{CONSOLE}/codesuite/codepipeline/pipelines/site/view?region=us-east-1", "/runs/site"),
    "hostile-pipeline": (f"{CONSOLE}/codesuite/codepipeline/pipelines/%22%3Eb/view", "/runs/%22%3Eb"),
    "build": (
        "https://console.aws.amazon.com/codebuild/home?region=us-east-1#/builds/site-build:1-2/view/new",
        "/builds/site-build%3A1-2",
    ),
    "build-of-a-project": (
        f"{CONSOLE}/codesuite/codebuild/1/projects/site/build/site%3A1-2/?region=us-east-1",
        "/builds/site%3A1-2",
    ),
    "log": (
        "https://console.aws.amazon.com/cloudwatch/home?region=x#logEvent:group=/aws/codebuild/site;stream=1-2",
        "/builds/site%3A1-2",
    ),
    "stack": (f"{CONSOLE}/cloudformation/home?region=x#/stacks/stackinfo?stackId={ARN}", f"/stacks/{QUOTED}"),
    "events": (f"{CONSOLE}/cloudformation/home?region=x#/stacks/events?stackId={QUOTED}", f"/stacks/{QUOTED}"),
    "china": (
        "https://cn-north-1.console.amazonaws.cn/codesuite/codepipeline/pipelines/site/executions/1/x",
        "/runs/site/1",
    ),
    "not-shown-here": (f"{CONSOLE}/s3/object/bucket?prefix=key", ""),
    "script": ("javascript:alert(1)", ""),
    "script-with-a-host": ("javascript://x.example/%0aalert(1)", ""),
    "file": ("file://x.example/etc/passwd", ""),
    "nothing": ("", ""),
    "no-host": ("http://", ""),
    "no-address": ("http://[", ""),
}


@pytest.mark.parametrize(("url", "leads"), ADDRESSES.values(), ids=ADDRESSES)
def test_where_an_address_leads(url: str, leads: object) -> None:
    assert links.here(url) == (url if leads is ... else leads)


@pytest.mark.parametrize(
    ("state", "sign"),
    [
        *((state, "good") for state in ("success", "Succeeded", "UPDATE_COMPLETE", "open")),
        *((state, "bad") for state in ("failure", "error", "Failed", "DELETE_FAILED", "ROLLBACK_COMPLETE")),
        *((state, "busy") for state in ("pending", "InProgress", "CREATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")),
        *((state, "idle") for state in ("inactive", "Superseded", "Stopped", "")),
    ],
)
def test_a_state_has_a_sign(state: str, sign: str) -> None:
    assert shown.sign(state) == sign


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (900000, "10 d ago"),
    ],
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert shown.age(1_000_000_000 - seconds, 1_000_000_000) == said


def test_times_in_words() -> None:
    assert shown.clock(1_700_000_000) == "22:13:20"
    assert shown.stamp(1_700_000_000) == "2023-11-14 22:13:20 UTC"
    assert [shown.span(each) for each in (-1, 0.4, 59, 60, 185)] == ["0 s", "0 s", "59 s", "1 min 0 s", "3 min 5 s"]
    assert [shown.words(each) for each in ("IN_PROGRESS", "InProgress", "Failed")] == [
        *("in progress", "in progress", "failed")
    ]
