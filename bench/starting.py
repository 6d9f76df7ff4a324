"""How long a service takes to answer its first request, from nothing."""

import time
from dataclasses import replace

from bench.load import Outcome
from bench.measuring import Budget, Measured
from bench.stand import Stand, spent
from tests.served import free_port

NAME, TITLE, BUDGET = "start", "start of the service with one worker, to its first answer", Budget(1500, of="p50")
TIMES = 3


def start(stand: Stand) -> Measured:
    """Start a second service beside the first, a few times, one after the other."""
    seconds, cpu = [], []
    for _ in range(TIMES):
        processes = replace(stand.processes, port=free_port(), running={})
        began = time.perf_counter()
        processes.serve()
        seconds.append(time.perf_counter() - began)
        cpu.append(spent(processes.tree("serve")))
        processes.stop()
    spans = sorted(each * 1000 for each in seconds)
    outcome = Outcome(TIMES, sum(seconds), spans[TIMES // 2], spans[-1], spans[-1], spans[-1], errors=0)
    return Measured(NAME, TITLE, BUDGET, outcome, sum(cpu) * 1000 / TIMES, 0.0)
