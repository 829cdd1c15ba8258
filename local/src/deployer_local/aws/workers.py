"""Lambda workers that see what Lambda would give them: the standard library, the layers, the zip, and its variables.

ministack keeps the pool of workers and runs the functions by its own interpreter with everything installed beside it;
this replaces how a worker is started and how its log is read. Only Python runtimes are run; any other is refused when
it is invoked. The interpreter is the engine's own, whatever Python version the function names.
"""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import emulator, tracing, worker_process
from .host import Extension, Host
from .unpacked import unpack

log = logging.getLogger(__name__)

LOG_SECONDS = 2.0
"""How long the log of an invocation may lag behind its answer."""


class InitError(RuntimeError):
    """The worker could not import its handler."""


def install(daemon: str) -> Extension:
    """Extension for `Host`: start every Lambda worker isolated, and record each invocation.

    `daemon`: where functions send what they trace; empty where nothing listens.
    """

    def extend(host: Host) -> None:
        runtime = emulator.module("core.lambda_runtime")
        cache = host.data / "unpacked"
        runtime.Worker._spawn = lambda worker: _start(worker, cache, host.server.port, daemon)
        runtime.Worker._drain_stderr_bounded = _log_of_invocation
        _record_invocations(host)

    return extend


def variables(config: Mapping[str, Any], port: int, code: Path, scratch: Path, daemon: str) -> dict[str, str]:
    """The environment of a worker: Lambda's own variables, where the emulated AWS is, and the function's.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    name = str(config.get("FunctionName", ""))
    runtime = emulator.module("core.lambda_runtime")
    return {
        "AWS_ENDPOINT_URL": f"http://{emulator.HOST}:{port}",
        **tracing.variables(daemon),
        **{key: str(value) for key, value in (config.get("Environment") or {}).get("Variables", {}).items()},
        **runtime.execution_credentials(config),
        "AWS_REGION": emulator.REGION,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": str(config.get("Version", "$LATEST")),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": scratch.name,
        "LAMBDA_TASK_ROOT": str(code),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
        # Lambda has a /tmp for each worker; this keeps the laptop's clean.
        "TMPDIR": str(scratch),
    }


def _start(worker: Any, cache: Path, port: int, daemon: str) -> None:
    """ministack's `Worker._spawn`: leave a running, initialised process in `worker`."""
    config = worker.config
    if not str(config.get("Runtime", "")).startswith("python"):
        raise InitError(f"the local engine runs only Python functions, not {config.get('Runtime')}")
    resolve = emulator.module("services.lambda_svc")._resolve_layer_zip
    code = unpack(worker.code_zip, cache)
    layers = [unpack(contents, cache) for layer in config.get("Layers") or [] if (contents := resolve(layer))]
    worker._discard_tmpdir()
    scratch = Path(tempfile.mkdtemp(prefix=f"worker-{worker.func_name}-"))
    worker._tmpdir = str(scratch)
    worker._stderr_queue = queue.Queue()
    worker._proc = subprocess.Popen(
        [sys.executable, "-I", "-S", worker_process.__file__],
        cwd=code,
        env=variables(config, port, code, scratch, daemon),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    worker._stderr_thread = threading.Thread(target=worker._read_stderr, daemon=True, name="worker-log")
    worker._stderr_thread.start()
    module, _, handler = str(config.get("Handler", "")).rpartition(".")
    init = {"paths": _search_path(code, layers), "module": module.replace("/", "."), "handler": handler}
    worker._proc.stdin.write(json.dumps(init) + "\n")
    worker._proc.stdin.flush()
    answer = json.loads(worker._proc.stdout.readline() or '{"error": "the worker ended while it started"}')
    if answer.get("status") != "ready":
        worker._proc.wait(10)
        worker._stderr_thread.join(LOG_SECONDS)
        log.warning("%s could not start: %s\n%s", worker.func_name, answer["error"], worker._drain_stderr())
        raise InitError(answer["error"])
    worker._start_time = time.time()


def _search_path(code: Path, layers: list[Path]) -> list[str]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = [
        directory
        for layer in layers
        for directory in (layer / "python" / "lib" / version / "site-packages", layer / "python")
        if directory.is_dir()
    ]
    return [str(code), *map(str, libraries)]


def _log_of_invocation(worker: Any) -> str:
    """Everything the invocation that just answered wrote, up to its end mark."""
    lines: list[str] = []
    deadline = time.monotonic() + LOG_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = worker._stderr_queue.get(timeout=left)
        except queue.Empty:
            break
        if line == worker_process.END_OF_LOG:
            break
        lines.append(line)
    return "\n".join(lines)


def _record_invocations(host: Host) -> None:
    functions = emulator.module("services.lambda_svc")

    def recording(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(func: Any, config: Any, *rest: Any) -> Any:
            number = host.activity.started(str(config.get("FunctionName", "")))
            failed = True
            with host.activity.working("logs"):
                try:
                    result = original(func, config, *rest)
                    failed = bool(isinstance(result, dict) and result.get("error"))
                    return result
                finally:
                    host.activity.ended(number, failed)

        return execute

    emulator.wrap(functions, "_execute_function_dispatch", recording)
