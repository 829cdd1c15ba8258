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
    Exempt(
        "builder",
        "Sources",
        ("s3:AbortMultipartUpload",),
        "Where a tarball breaks off after its first 8 MB, what was uploaded is given up; nothing breaks off the local "
        "GitHub's. Held by builder/tests/test_archive.py against moto.",
        sometimes=True,
    ),
    Exempt(
        "s3deployer",
        "Site",
        ("s3:AbortMultipartUpload",),
        "obstore gives up an upload in parts where one of them fails; the emulated S3 fails none. Held by "
        "layer/tests/test_objects.py against moto.",
        sometimes=True,
    ),
    Exempt(
        "builder",
        "ChangeOwnStacks",
        ("cloudformation:ContinueUpdateRollback",),
        "The emulated CloudFormation ends no rollback of an update in UPDATE_ROLLBACK_FAILED. Held as F51 by "
        "layer/tests/test_testing_contract.py and the builder's lives.",
    ),
    Exempt(
        "stack-cleaner",
        "Proof",
        ("cloudformation:ListStackResources",),
        "A child of another name is shown by the role that it has, which the emulated DescribeStacks does not say. "
        "Held as carries-its-role by stack_cleaner/tests/test_cleaning.py.",
    ),
    Exempt(
        "builder",
        "Changes",
        ("sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"),
        "An event or a tick that fails is hidden as a look is (deployer.queues); of what can fail, the memory and the "
        "queues, the engine fails none.",
        sometimes=True,
    ),
    Exempt(
        "builder",
        "StoreListing",
        ("s3:ListBucket",),
        "HeadObject of a source that is gone: without this S3 answers 403, which the builder takes for a lack of "
        "permission, instead of 404. No test on the engine loses a source; "
        "builder/tests/test_sources_contract.py does.",
        sometimes=True,
    ),
)
