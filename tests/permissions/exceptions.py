"""Permissions that no test is seen to use, each with the reason why the function has it."""

from __future__ import annotations

from tests.permissions.comparison import Exempt

EXEMPT = (
    Exempt(
        "*",
        "Traces",
        ("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
        "The X-Ray daemon beside a function sends its segments in the role's name; here a daemon takes them over UDP. "
        "Present only with Tracing: Active. https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html",
    ),
)
