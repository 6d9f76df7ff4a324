"""What it takes a service to answer its first request, from nothing: processor time, since nothing else waits for it, and the time that went by."""

import time
from dataclasses import replace

from bench.load import Outcome
from bench.measuring import Budget, Measured
from bench.stand import Stand, spent
from tests.served import free_port

NAME, TITLE, BUDGET = "start", "start of the service with one worker, to its first answer", Budget(1500)
TIMES = 3
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


def start(stand: Stand, *, times: int = TIMES) -> Measured:
    """Start a second service beside the first, a few times, one after the other; the first time its modules are compiled, as installing them does."""
    seconds, cpu = [], []
    for _ in range(1 + times):
        processes = replace(stand.processes, port=free_port(), running={}, environ={**stand.processes.environ, **COMPILED})
        began = time.perf_counter()
        processes.serve()
        seconds.append(time.perf_counter() - began)
        cpu.append(spent(processes.tree("serve")))
        processes.stop()
    spans = sorted(each * 1000 for each in seconds[1:])
    outcome = Outcome(times, sum(seconds[1:]), spans[times // 2], spans[-1], spans[-1], spans[-1], errors=0)
    return Measured(NAME, TITLE, BUDGET, outcome, sum(cpu[1:]) * 1000 / times, 0.0)
