"""Where a link of a message or a status leads on this machine.

Pure. AWS's console is not here: what it would show of a run, a build or a stack is on a page of ours.
"""

import re
from urllib.parse import quote, unquote, urlsplit

from deployer_local.addresses import is_web_address

_RUN = re.compile(r"/codesuite/codepipeline/pipelines/([^/]+)/executions/([^/]+)(?:/.*)?")
_PIPELINE = re.compile(r"/codesuite/codepipeline/pipelines/([^/]+)(?:/.*)?")
_BUILD = re.compile(r"/builds/([^/]+)(?:/.*)?")
_NEW_BUILD = re.compile(r"/codesuite/codebuild/(?:[^/]+/)?projects/[^/]+/build/([^/]+)(?:/.*)?")
_LOG = re.compile(r"logEvent:group=/aws/codebuild/([^;]+);stream=([^;/]+)")
_STACK = re.compile(r"/stacks/[a-z]+\?.*?\bstackId=([^&]+).*")
_CONSOLE = re.compile(r"(?:[a-z0-9-]+\.)?console\.(?:aws\.amazon|amazonaws-us-gov|amazonaws)\.(?:com|cn)")


def here(url: str) -> str:
    """The page of ours that shows what a page of AWS's console would, empty where there is none; others as they are."""
    if not is_web_address(url):
        return ""
    found = urlsplit(url)
    if not _CONSOLE.fullmatch(found.hostname or ""):
        return url
    if run := _RUN.fullmatch(found.path):
        return f"/runs/{_again(run[1])}/{_again(run[2])}"
    if pipeline := _PIPELINE.fullmatch(found.path):
        return f"/runs/{_again(pipeline[1])}"
    if log := _LOG.fullmatch(unquote(found.fragment)):
        return f"/builds/{quote(f'{log[1]}:{log[2]}', safe='')}"
    if stack := _STACK.fullmatch(found.fragment):
        return f"/stacks/{_again(stack[1])}"
    build = _NEW_BUILD.fullmatch(found.path) or _BUILD.fullmatch(found.fragment)
    return f"/builds/{_again(build[1])}" if build else ""


def _again(part: str) -> str:
    return quote(unquote(part), safe="")
