"""Runs a function's own handler and prints what each invocation looked like from inside: one line of JSON, last.

Chosen by configuration alone: the function's Handler names `handler` here, DARKROOM_HANDLER names the real one, which is
packaged as written. Errors pass through, at import as in a call; the line never makes an invocation fail.

The file's name matters: the runtime leaves leading frames of files called bootstrap.py out of a stackTrace, so that a
handler's error reads as it does without this. Only the frame of a failed S3 call stays visible within it.
"""

import json
import os
import resource
import sys
import threading
import time

from awslambdaric import bootstrap as runtime
from awslambdaric.lambda_runtime_exception import FaultException

VERSION = 1
STDOUT = 1
# Of /proc/stat's first line: "cpu  user nice system idle iowait irq softirq steal guest guest_nice", in ticks.
STEAL = 8
# S3 operations that make an object; how many of those that lie elsewhere are named, and how much of their names.
WRITES = ("PutObject", "CopyObject", "CompleteMultipartUpload")
NAMED, LONGEST_KEY = 4, 200
# Where the contract has results written. All else that a handler writes is elsewhere.
PREFIX = os.environ.get("OUTPUT_PREFIX") or "\0"
MS_A_TICK = 1000 / os.sysconf("SC_CLK_TCK")


class S3Watch:
    """Time during which at least one S3 call, or the reading of its body, was under way. Knows botocore only."""

    def __init__(self):
        self.lock = threading.Lock()
        self.under_way, self.since_ns = 0, 0
        self.total_ns, self.calls = 0, 0
        self.watching = False
        self.elsewhere = []

    def begin(self, calls):
        with self.lock:
            if self.under_way == 0:
                self.since_ns = time.perf_counter_ns()
            self.under_way += 1
            self.calls += calls

    def end(self):
        with self.lock:
            self.under_way -= 1
            if self.under_way == 0:
                self.total_ns += time.perf_counter_ns() - self.since_ns

    def attach(self):
        """Watches botocore if it is loaded; returns whether all of its calls from here on are seen."""
        if not self.watching and "botocore.client" in sys.modules:
            client = sys.modules["botocore.client"].BaseClient
            client._make_api_call = self.timed_call(client._make_api_call)
            body = sys.modules["botocore.response"].StreamingBody
            body.read, body.readinto = self.timed(body.read), self.timed(body.readinto)
            self.watching = True
        return self.watching or "botocore.client" not in sys.modules

    def timed_call(self, call):
        def timed(client, *arguments, **named):
            if client.meta.service_model.service_name != "s3":
                return call(client, *arguments, **named)
            self.begin(1)
            try:
                answer = call(client, *arguments, **named)
            finally:
                self.end()
            self.note(*arguments, **named)
            return answer

        return timed

    def note(self, operation_name=None, api_params=None, **_):
        """Remembers what was written outside of OUTPUT_PREFIX: it may start this function, or another, again."""
        if operation_name in WRITES and len(self.elsewhere) < NAMED:
            key = str((api_params or {}).get("Key"))
            if not key.startswith(PREFIX):
                self.elsewhere.append(key[:LONGEST_KEY])

    def timed(self, read):
        def timed(*arguments, **named):
            self.begin(0)
            try:
                return read(*arguments, **named)
            finally:
                self.end()

        return timed


def load(name):
    """Returns the real handler, or raises what makes the runtime report the error that it would report without us."""
    try:
        return runtime._get_handler(name)
    except FaultException:
        raise
    except Exception:
        error = runtime.build_fault_result(sys.exc_info(), None)
        raise FaultException(error["errorType"], error["errorMessage"], error["stackTrace"])


def first(lines, *names):
    """Returns the values of the first line that begins with each name, of "name : value" lines."""
    found = {}
    for line in lines:
        key, _, value = line.partition(b":")
        found.setdefault(key.strip(), value.strip().decode())
    return [found[name] for name in names if name in found]


def cpu_model():
    """Returns the processor's name; arm64 kernels give none, only numbers of the maker and the part."""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            lines = file.read(4096).splitlines()
        return " ".join(first(lines, b"model name") or first(lines, b"CPU implementer", b"CPU part")) or None
    except OSError:
        return None


def peak_rss_mb():
    # Not ru_maxrss, which remembers the program that this process was before exec.
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:
            status = file.read(4096)
        return int(status[status.index(b"VmHWM:") + 6 :].split(None, 1)[0]) / 1024
    except (OSError, ValueError):
        return None


def steal_ms():
    """Returns the time that the machine's other guests took from this one, over all its processors."""
    try:
        return int(os.pread(stat, 256, 0).split(None, STEAL + 1)[STEAL]) * MS_A_TICK
    except (OSError, LookupError, ValueError):
        return None


def usage():
    """Returns what this process and its finished children have used: CPU s, context switches, page faults."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return [
        getattr(own, name) + getattr(children, name)
        for name in ("ru_utime", "ru_stime", "ru_nvcsw", "ru_nivcsw", "ru_minflt", "ru_majflt")
    ]


def handler(event, context):
    global invocations
    invocations += 1
    seen = s3.attach()
    s3.elsewhere.clear()
    s3_ns, s3_calls = s3.total_ns, s3.calls
    stolen = steal_ms()
    used = usage()
    started_ns = time.time_ns()
    clock = time.perf_counter_ns()
    try:
        return real_handler(event, context)
    finally:
        handler_ms = (time.perf_counter_ns() - clock) / 1e6
        ended_ns = time.time_ns()
        try:
            user, system, voluntary, involuntary, minor, major = (b - a for a, b in zip(used, usage()))
            stolen_since = steal_ms()
            seen = seen and s3.attach() and (s3.watching or not s3.calls)
            line = {
                "darkroom_profile": VERSION,
                "request_id": context.aws_request_id,
                "handler_started_ns": started_ns,
                "handler_ended_ns": ended_ns,
                "handler_ms": handler_ms,
                "s3_ms": (s3.total_ns - s3_ns) / 1e6 if seen else None,
                "s3_calls": s3.calls - s3_calls if seen else None,
                "cpu_user_ms": user * 1e3,
                "cpu_system_ms": system * 1e3,
                "context_switches_voluntary": voluntary,
                "context_switches_involuntary": involuntary,
                "page_faults_minor": minor,
                "page_faults_major": major,
                "steal_ms": None if stolen is None or stolen_since is None else stolen_since - stolen,
                "peak_rss_mb": peak_rss_mb(),
                "container_id": container_id,
                "container_invocation": invocations,
                "cpu_model": model,
                "kernel": kernel,
            }
            if s3.elsewhere:
                line["wrote_elsewhere"] = s3.elsewhere
            os.write(STDOUT, (json.dumps(line, separators=(",", ":")) + "\n").encode())
        except Exception:
            pass  # What can't be said is missing from the tables; the answer is the handler's all the same.


invocations = 0
s3 = S3Watch()
real_handler = load(os.environ["DARKROOM_HANDLER"])
s3.attach()
container_id = os.urandom(16).hex()
model, kernel = cpu_model(), os.uname().release
try:
    stat = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
except OSError:
    stat = -1
