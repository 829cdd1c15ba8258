"""The manual approval action: waits for PutApprovalResult with its token.

Taken up again after a kill it waits on, with the same token.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals.html
"""

from __future__ import annotations

from .job import Failed, Job, Outcome, Succeeded

DEFAULT_MINUTES = 7 * 24 * 60


def run(job: Job) -> Outcome:
    """Wait up to ``timeoutInMinutes`` (seven days unless declared)."""
    token = job.memory.get("token")
    if token is None:
        token = job.desk.open_job(job.id)
        started = job.around.clock()
        job.remember(token=token, since=started)
        job.desk.show(
            job.id, "", job.configuration.get("ExternalEntityLink", ""), job.configuration.get("CustomData", "")
        )
    deadline = job.memory["since"] + 60 * job.action.get("timeoutInMinutes", DEFAULT_MINUTES)
    while (answer := job.desk.job_answer(token)) is None:
        left = deadline - job.around.clock()
        if left <= 0:
            return Failed("JobFailed", "The approval was not given in time")
        job.receive(left)
    result = answer["result"]
    if result["status"] == "Approved":
        return Succeeded(summary=result["summary"])
    return Failed("JobFailed", result["summary"] or "Rejected", summary=result["summary"])
