"""The rules, in docs/validate.md in the same words. What cfn-lint finds keeps cfn-lint's own ids."""

from __future__ import annotations

from deployer_cli.validate.findings import Finding, Place, Rule, Severity

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

RULES = {
    rule.id: rule
    for rule in (
        # --- files
        Rule("D101", _ERROR, "a push makes nothing, silently", "add deploy/pipeline.json (`deployer init` makes one)"),
        Rule("D102", _ERROR, "the commit gets a failure status", "mend the file's syntax"),
        Rule("D103", _ERROR, "CloudFormation takes no YAML aliases", "write the value out"),
        Rule("D104", _ERROR, "the commit gets a failure status", "give it the shape that is asked for"),
        Rule("D105", _ERROR, "CloudFormation takes at most 1 MB", "move a part into a stack of its own"),
        Rule("D106", _WARNING, "the other file is read, and this one is not", "keep one of the two"),
        Rule("D107", _ERROR, "the commit gets a failure status", "make it a plain file"),
        # --- parameters
        Rule("D201", _ERROR, "the file is refused, or a part of it is never used", "write it as the schema says"),
        Rule("D202", _ERROR, "the commit gets a failure status", "remove it: the deployer gives it"),
        Rule("D203", _ERROR, "the commit gets a failure status", "declare it in the template, or remove it"),
        Rule("D204", _ERROR, "the commit gets a failure status", "set it for the stage, or give it a Default"),
        Rule("D205", _ERROR, "the commit gets a failure status", "keep one of the two"),
        Rule("D206", _ERROR, "the token would show in the stack; refused", "declare it with NoEcho: true"),
        Rule("D207", _ERROR, "CloudFormation refuses the value", "give a value that the declaration allows"),
        # --- what starts runs
        Rule(
            "D301",
            _ERROR,
            "runs start by themselves, of other commits than wanted",
            "switch it off as the message says",
        ),
        Rule(
            "D302",
            _ERROR,
            "runs start by themselves, of other commits than wanted",
            "remove it: the deployer starts runs",
        ),
        Rule(
            "D303",
            _WARNING,
            "the run builds what the branch has by then, and a release builds the default branch",
            "read SourceKey from ArtifactStore",
        ),
        # --- stacks that the pipeline makes
        Rule(
            "D401",
            _ERROR,
            "deleting the branch leaves the app's stack behind",
            "add a Custom::StackCleaner with its StackName",
        ),
        Rule(
            "D402",
            _ERROR,
            "the app's stack is deleted under a pipeline that may still update it",
            "let the pipeline depend on the cleaner (DependsOn)",
        ),
        Rule(
            "D403",
            _ERROR,
            "the role goes before the stack that is deleted with it: DELETE_FAILED",
            "let the cleaner depend on the role (DependsOn)",
        ),
        Rule(
            "D404",
            _ERROR,
            "two branches share one stack, and stack_cleaner refuses to delete it",
            "begin its name with ${AWS::StackName}-",
        ),
        Rule(
            "D405",
            _WARNING,
            "a bucket that holds anything can't be deleted: DELETE_FAILED",
            "add a Custom::S3Cleaner with `Bucket: !Ref …`",
        ),
        Rule(
            "D406",
            _ERROR,
            "the second branch fails: the name is taken",
            "put ${AWS::StackName} into it, or leave it out",
        ),
        Rule(
            "D407",
            _WARNING,
            "it works with one installation of the deployer only",
            "build the name from ${DeployerPrefix}",
        ),
        # --- what the service roles may do
        Rule(
            "D501",
            _ERROR,
            "AccessDenied: a role of a branch carries the boundary",
            "set PermissionsBoundary to !Ref PermissionsBoundary",
        ),
        Rule(
            "D502",
            _ERROR,
            "AccessDenied: what IAM has of a branch lies under its path",
            "set Path to !Sub /${DeployerPrefix}/${Stage}/",
        ),
        Rule("D503", _ERROR, "AccessDenied: branches make roles and policies only", "use a role"),
        # --- artifacts and files
        Rule("D601", _ERROR, "CodePipeline refuses the pipeline", "name an output of an earlier action"),
        Rule("D602", _WARNING, "it is uploaded for nothing", "remove it, or use it"),
        Rule("D603", _ERROR, "CodePipeline refuses the pipeline", "give each output a name of its own"),
        Rule("D604", _ERROR, "the deploy action fails", "write Artifact::path, of one of its input artifacts"),
        Rule("D605", _ERROR, "the deploy action fails: the source has no such file", "add the file, or mend the path"),
        Rule(
            "D606",
            _ERROR,
            "the deploy action fails: Parameters must have values",
            "give it in ParameterOverrides or in the configuration file",
        ),
        Rule(
            "D607",
            _ERROR,
            "the deploy action fails: Parameters do not exist",
            "declare it in the template, or remove it",
        ),
        Rule("D608", _ERROR, "the deploy action fails", "write it as JSON, at most 1,024 bytes"),
        # --- builds
        Rule("D701", _ERROR, "the build fails: the source has no such buildspec", "add the file, or mend BuildSpec"),
        Rule("D702", _ERROR, "the build fails at once", "write it as the schema says"),
        Rule("D703", _ERROR, "the build fails when it uploads", "name the outputs of the action under artifacts"),
    )
}


def found(rule: str, place: Place, message: str) -> Finding:
    """A finding of one of these rules."""
    return Finding(place, RULES[rule].severity, rule, message, RULES[rule].fix)
