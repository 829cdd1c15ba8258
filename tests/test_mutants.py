"""For each rule that holds from the first day: its guard is taken away, and the tests notice.

A mutant is the tree with one line changed. The tests that guard the rule are run against it and have to fail; run
against the tree as it is, they pass elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("layer", "listener", "builder", "notifier", "s3deployer", "s3cleaner", "stack_cleaner")
TESTS_FAILED = 1  # pytest's exit code; 2 and above say that the tests did not run


@dataclass(frozen=True)
class Mutant:
    """``old`` becomes ``new`` in ``file``; ``tests`` (paths, below the root) have to notice."""

    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BUILDER = "builder/src/builder"
LAYER = "layer/src/deployer"
LIVES = "builder/tests/test_lives.py"
SIMULATION = "tests/test_simulation.py"
MUTANTS = [
    Mutant(
        "identity-is-the-repositorys-number-and-the-ref",
        f"{LAYER}/environments.py",
        "digest = hashlib.sha256(str(environment)",
        "digest = hashlib.sha256(environment.branch.rpartition('/')[2]",
        ("layer/tests/test_environments.py",),
    ),
    Mutant(
        "identity-reserved-names-are-no-branches",
        f"{LAYER}/environments.py",
        'return f"{self.repository}/{HEADS}{self.branch}"',
        'return f"{self.repository}/{self.branch}"',
        ("layer/tests/test_environments.py",),
    ),
    Mutant(
        "the-wish-is-read-from-github",
        f"{BUILDER}/wishes.py",
        "wish = self._present(question, repository, ref, tip.commit)",
        "wish = self._present(question, repository, ref, question.look.after or tip.commit)",
        (LIVES,),
    ),
    Mutant(
        "deletion-only-on-proof",
        f"{BUILDER}/observe.py",
        'wish = Nothing(reason or "the repository can\'t be read")',
        'wish = __import__("builder.situation").situation.Gone("the repository can\'t be read")',
        (LIVES,),
    ),
    Mutant(
        "deletion-only-of-what-carries-our-tag",
        f"{BUILDER}/plan.py",
        "if stack is None or not situation.ours or stack.phase is StackPhase.ABSENT:",
        "if stack is None or stack.phase is StackPhase.ABSENT:",
        ("builder/tests/test_plan.py", LIVES),
    ),
    Mutant(
        "a-foreign-stack-is-never-operated",
        f"{BUILDER}/plan.py",
        "if situation.stack is not None and not situation.ours:",
        "if False:",
        ("builder/tests/test_plan.py",),
    ),
    Mutant(
        "staging-and-production-never-go-by-a-refs-deletion",
        f"{BUILDER}/plan.py",
        "if item and item.present and situation.id.reserved and not _asked_to_go(situation, item):",
        "if False:",
        ("builder/tests/test_plan.py",),
    ),
    Mutant(
        "production-only-from-an-anchored-tag",
        f"{LAYER}/refs.py",
        "_RELEASE.fullmatch(ref.removeprefix(TAGS))",
        "_RELEASE.search(ref.removeprefix(TAGS))",
        ("layer/tests/test_environments.py",),
    ),
    Mutant(
        "production-only-from-refs-tags",
        f"{LAYER}/refs.py",
        "_RELEASE.fullmatch(ref.removeprefix(TAGS))",
        "_RELEASE.fullmatch(ref.rpartition('/')[2])",
        ("layer/tests/test_environments.py",),
    ),
    Mutant(
        "annotated-tags-are-peeled",
        f"{LAYER}/github.py",
        'return Tip(sha, str(peeled.object()["sha"]))',
        "return Tip(sha, sha)",
        ("layer/tests/test_github.py",),
    ),
    Mutant(
        "the-commit-that-is-built-is-the-commit-whose-status-is-posted",
        f"{BUILDER}/apply.py",
        "self._to.files.archive(self._situation.repository, item.commit)",
        "self._to.files.archive(self._situation.repository, self._situation.item.commit if self._situation.item "
        "else item.commit)",
        ("builder/tests/test_lives.py::test_the_status_goes_to_the_commit_that_is_built", LIVES),
    ),
    Mutant(
        "a-runs-commit-is-read-back-never-assumed",
        "layer/src/deployer/progress.py",
        "if environment.commit in named or not run.revisions:",
        "if True:",
        ("notifier/tests",),
    ),
    Mutant(
        "what-one-pipeline-failed-another-does-not-make-good",
        f"{LAYER}/contexts.py",
        'return pipeline.removeprefix(f"{environment.stack}-")',
        'return ""',
        ("notifier/tests/test_notify.py",),
    ),
    Mutant(
        "text-from-outside-is-escaped-in-slack",
        "notifier/src/notifier/mrkdwn.py",
        "return escape(lengths.cut(text, most, _escaped))",
        "return lengths.cut(text, most, _escaped)",
        ("notifier/tests/test_messages.py",),
    ),
    Mutant(
        "an-author-is-mentioned-once-a-run",
        "notifier/src/notifier/threads.py",
        "if not person or not self.notes.claim(run, MENTION, 1):",
        "if not person:",
        ("notifier/tests/test_threads.py",),
    ),
    Mutant(
        "a-failure-heard-of-late-is-not-open-again",
        "notifier/src/notifier/health.py",
        "if setback.began <= self.latest or setback.began < known:",
        "if setback.began < known:",
        ("notifier/tests/test_health.py",),
    ),
    Mutant(
        "a-token-names-its-generation",
        f"{BUILDER}/apply.py",
        "parts = (str(environment.id), environment.generation, operation, stack_id, environment.attempt)",
        "parts = (str(environment.id), operation)",
        (LIVES, "builder/tests/test_kills.py"),
    ),
    Mutant(
        "one-run-for-each-generation",
        f"{LAYER}/runs.py",
        "return item.source in run.revisions.values()",
        "return False",
        (LIVES,),
    ),
    Mutant(
        "a-generation-is-never-used-twice",
        f"{BUILDER}/generation.py",
        "situation.id, situation.repository, ref, situation.stack_name, generation=situation.now - 1",
        "situation.id, situation.repository, ref, situation.stack_name, generation=0",
        ("builder/tests/test_plan.py", LIVES),
    ),
    Mutant(
        "the-intent-is-written-before-the-call",
        f"{BUILDER}/apply.py",
        "self._pen.change(operation=operation, attempt=item.attempt + 1 if again else item.attempt, accepted=False)",
        "pass",
        (LIVES, "builder/tests/test_kills.py"),
    ),
    Mutant(
        "an-operation-whose-answer-was-lost-is-observed",
        f"{BUILDER}/apply.py",
        "if asked and not again:",
        "if False:",
        ("builder/tests/test_events_alone.py",),
    ),
    Mutant(
        "what-was-not-seen-to-its-end-is-not-known",
        f"{BUILDER}/generation.py",
        "known = situation.stack is not None and (item.operation is Operation.NONE or item.applied == item.digest)",
        "known = situation.stack is not None",
        ("builder/tests/test_overtaking.py", "builder/tests/test_events_alone.py"),
    ),
    Mutant(
        "a-run-that-an-update-cancelled-is-no-run",
        f"{LAYER}/runs.py",
        "if not item.source or run.state is RunState.CANCELLED:",
        "if not item.source:",
        ("builder/tests",),
    ),
    Mutant(
        "one-look-at-a-time-for-each-environment",
        f"{LAYER}/queues.py",
        "self._send(look.to_json(), look.environment, uuid.uuid4().hex)",
        "self._send(look.to_json(), uuid.uuid4().hex, uuid.uuid4().hex)",
        ("layer/tests/test_queues.py",),
    ),
    Mutant(
        "a-failed-look-holds-up-the-later-ones-of-its-environment",
        f"{LAYER}/queues.py",
        "        if group:\n            blocked[group] = wait\n",
        "",
        ("layer/tests/test_queues.py", "builder/tests/test_handler.py"),
    ),
    Mutant(
        "never-under-a-running-pipeline",
        f"{BUILDER}/plan.py",
        "    active = _active(situation)\n    if active:",
        "    active = _active(situation)\n    if False:",
        ("builder/tests/test_plan.py", LIVES),
    ),
    Mutant(
        "no-error-is-swallowed",
        f"{LAYER}/queues.py",
        'failures.append({"itemIdentifier": record["messageId"]})',
        "pass",
        ("layer/tests/test_queues.py", "builder/tests/test_handler.py"),
    ),
    Mutant(
        "throttling-is-transient",
        f"{LAYER}/stacks.py",
        "if code in _THROTTLED or code in _OBSERVE_AGAIN or status >= 500 or busy:",
        "if code in _OBSERVE_AGAIN or status >= 500 or busy:",
        ("layer/tests/test_stacks.py",),
    ),
    Mutant(
        "throttling-is-never-gone",
        f"{LAYER}/stacks.py",
        'return code_of(error) == "ValidationError" and "does not exist" in message_of(error)',
        "return True",
        ("layer/tests/test_stacks.py",),
    ),
    Mutant(
        "a-custom-resource-keeps-its-physical-id",
        f"{LAYER}/custom_resource.py",
        "    if request.physical_id:\n        return request.physical_id\n",
        "",
        ("layer/tests/test_custom_resource.py",),
    ),
    Mutant(
        "a-custom-resource-always-answers",
        f"{LAYER}/cleanups.py",
        "        except Exception as error:",
        "        except UnicodeError as error:",
        ("layer/tests/test_cleanups.py",),
    ),
    Mutant(
        "a-custom-resource-answers-before-its-deadline",
        f"{LAYER}/cleanups.py",
        "                self._responder.send(cleanup.request, Failed(reason))\n\n        def due",
        "                pass\n\n        def due",
        ("layer/tests/test_cleanups.py",),
    ),
    Mutant(
        "ownership-before-a-bucket-is-emptied",
        "s3cleaner/src/s3cleaner/cleaning.py",
        "    if not sight.owned:",
        "    if not sight.owned and not sight.exists:",
        ("s3cleaner/tests",),
    ),
    Mutant(
        "a-living-stacks-bucket-is-not-emptied",
        "s3cleaner/src/s3cleaner/cleaning.py",
        "    if sight.status not in GOING:",
        "    if False:",
        ("s3cleaner/tests",),
    ),
    Mutant(
        "ownership-before-a-stack-is-deleted",
        "stack_cleaner/src/stack_cleaner/cleaning.py",
        "    if sight.refusal:",
        "    if False:",
        ("stack_cleaner/tests",),
    ),
    Mutant(
        "ownership-before-a-bucket-is-written",
        "s3deployer/src/s3deployer/ownership.py",
        "if not self._runs(pipelines, job):",
        "if False:",
        ("s3deployer/tests/test_ownership.py",),
    ),
    Mutant(
        "no-query-string-in-a-trace",
        f"{LAYER}/tracing.py",
        "{parts.path}",
        "{parts.path}?{parts.query}",
        ("layer/tests/test_tracing.py::test_F91_no_document_holds_a_secret",),
    ),
    Mutant(
        "what-cannot-be-traced-goes-on",
        f"{LAYER}/tracing.py",
        "except Exception:",
        "except KeyError:",
        ("layer/tests/test_tracing.py::test_what_cannot_be_traced_goes_on_untraced_and_is_said",),
    ),
    Mutant(
        "no-token-in-a-template-that-does-not-ask",
        f"{LAYER}/parameters.py",
        "if hidden(declared[TOKEN_PARAMETER]):",
        "if True:",
        ("layer/tests/test_parameters.py",),
    ),
    Mutant(
        "what-the-deployer-provides-is-not-the-branchs-to-set",
        f"{LAYER}/parameters.py",
        "return sorted(RESERVED.intersection(given))",
        "return []",
        ("layer/tests/test_parameters.py",),
    ),
    Mutant(
        "what-was-seen-says-something-only-of-what-is-remembered-now",
        f"{BUILDER}/sweep.py",
        'validators.pop(_STATE, "") == state',
        'validators.pop(_STATE, "") != ""',
        ("builder/tests/test_sweep.py",),
    ),
    Mutant(
        "a-sweep-that-wants-too-much-stops",
        f"{BUILDER}/sweep.py",
        "if len(wanted) > self.limit and not unlimited:",
        "if False:",
        ("builder/tests/test_sweep.py",),
    ),
    Mutant(
        "nothing-newer-goes-to-production-after-its-memory-was-lost",
        f"{BUILDER}/compare.py",
        "newest = newest_of(ref for ref, sha in tips.items() if release_of(ref) and not _asleep(scene, ref, sha))",
        "newest = newest_of(tips)",
        ("builder/tests/test_sweep.py",),
    ),
    Mutant(
        "an-environment-is-announced-before-it-is-removed",
        f"{BUILDER}/idle.py",
        "if item.announced < since:",
        "if False:",
        ("builder/tests/test_sweep.py",),
    ),
    Mutant(
        "one-start-of-a-run-at-a-time",
        f"{BUILDER}/plan.py",
        "if item.starting and situation.now < item.starting + START_LEASE:",
        "if False:",
        ("builder/tests/test_sweep.py",),
    ),
    Mutant(
        "the-plan-is-pure",
        f"{BUILDER}/plan.py",
        "from builder.generation import begin, following, successor\n",
        "from builder.generation import begin, following, successor\nimport boto3\n",
        ("tests/test_architecture.py",),
    ),
    Mutant(
        "the-vocabulary-is-pure",
        f"{LAYER}/settings.py",
        "import dataclasses\n",
        "import dataclasses\nimport os\n",
        ("tests/test_architecture.py",),
    ),
    Mutant(
        "nothing-is-believed-without-a-valid-signature",
        "listener/src/listener/handler.py",
        "if digest is None or not self.verifier.verify(request.body, digest):",
        "if digest is None:",
        ("listener/tests/test_listener.py",),
    ),
    Mutant(
        "the-signature-is-over-the-raw-bytes",
        "listener/src/listener/request.py",
        "raw = base64.b64decode(body, validate=True) if encoded else",
        "raw =",
        ("listener/tests/test_listener.py",),
    ),
    Mutant(
        "refs-that-stood-before-are-left-alone",
        f"{BUILDER}/wishes.py",
        "if question.item is None and not question.ours and asleep(baseline, ref, tip.object, question.look):",
        "if False:",
        (LIVES,),
    ),
    # What the simulation is to notice by itself.
    Mutant(
        "simulated-an-operation-has-its-token",
        f"{BUILDER}/apply.py",
        'token = operation_token(self._pen.now, operation, stack.id if stack else "")',
        'token = ""',
        (SIMULATION,),
    ),
    Mutant(
        "simulated-the-sweep-comes-at-each-tick",
        f"{BUILDER}/handler.py",
        "            builder.tick(change, sent_at(record))\n",
        "            pass\n",
        (SIMULATION,),
    ),
    Mutant(
        "simulated-a-payload-is-only-a-hint",
        f"{BUILDER}/wishes.py",
        "        wish = self._present(question, repository, ref, tip.commit)\n",
        "        wish = self._present(question, repository, ref, question.look.after or tip.commit)\n",
        (SIMULATION,),
    ),
    Mutant(
        "simulated-a-stack-without-our-tag-is-not-ours",
        f"{LAYER}/environments.py",
        "return tags.get(OWNER_TAG) == tag_value(environment) and tags.get(INSTALLATION_TAG) == installation",
        "return True",
        (SIMULATION,),
    ),
    Mutant(
        "simulated-a-failed-look-comes-again",
        f"{LAYER}/queues.py",
        'failures.append({"itemIdentifier": record["messageId"]})',
        "pass",
        (SIMULATION,),
    ),
]


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, to be changed a line at a time."""
    target = tmp_path_factory.mktemp("mutants") / "tree"
    target.mkdir()
    for name in (*SOURCES, "deploy", "local", "cli"):
        ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.egg-info")
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    (target / "tests").mkdir()
    for name in ("test_architecture.py", "test_simulation.py"):
        shutil.copyfile(ROOT / "tests" / name, target / "tests" / name)
    for name in ("data", "contracts", "webhooks", "simulation"):
        shutil.copytree(ROOT / "tests" / name, target / "tests" / name)
    for name in ("pyproject.toml", "conftest.py", "VERSION"):
        shutil.copyfile(ROOT / name, target / name)
    return target


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_a_missing_guard_is_noticed(mutant: Mutant, copy: Path) -> None:
    file = copy / mutant.file
    original = file.read_text(encoding="utf-8")
    assert original.count(mutant.old) == 1, f"{mutant.file} has not exactly one {mutant.old!r}"
    file.write_text(original.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *mutant.tests],
            cwd=copy,
            env={
                **{
                    name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "DEPLOYER_"))
                },
                "PYTHONPATH": os.pathsep.join(str(copy / name / "src") for name in SOURCES),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    finally:
        file.write_text(original, encoding="utf-8")
    assert done.returncode == TESTS_FAILED, f"nobody noticed, or the tests did not run:\n{done.stdout[-3000:]}"
