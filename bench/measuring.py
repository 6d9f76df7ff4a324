"""One measurement: a load, what it cost the service and PostgreSQL in processor time, and whether that is within the budget."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.load import Outcome
from bench.stand import Stand


@dataclass(frozen=True)
class Budget:
    """What a path may cost, in ms: of the service's processor time (`cpu`), or of the caller's (`p99`, `p50`)."""

    ms: float
    of: str = "cpu"


@dataclass(frozen=True)
class Measured:
    """What was found of one path. Costs are in ms a request (a journey, where the path is one).

    `jobs_ms` is what PostgreSQL did for the worker meanwhile. Jobs follow the clock and what was prepared before, so it tells little of one request.
    """

    name: str
    title: str
    budget: Budget | None
    outcome: Outcome
    cpu_ms: float
    postgres_ms: float
    jobs_ms: float = 0.0

    @property
    def found(self) -> float:
        """What is to be compared with the budget."""
        assert self.budget is not None
        return {"cpu": self.cpu_ms, "p99": self.outcome.p99, "p50": self.outcome.p50}[self.budget.of]

    @property
    def verdict(self) -> str:
        """`within`, or by how much it is over."""
        if self.budget is None:
            return ""
        if self.outcome.count <= self.outcome.errors:
            return "not measured"
        return "within" if self.found <= self.budget.ms else f"over by {self.found - self.budget.ms:.2f} ms ({self.found / self.budget.ms:.1f} x)"


@dataclass(frozen=True)
class Path:
    """A path to measure: `load` prepares what it needs and returns the load itself, which alone is measured."""

    name: str
    title: str
    budget: Budget | None
    load: Callable[[Stand, float], Callable[[], Outcome]]


def measure(path: Path, stand: Stand, *, seconds: float) -> Measured:
    """Put a load on a path for some seconds."""
    run = path.load(stand, seconds)
    before = stand.cpu()
    outcome = run()
    each = 1000 / max(outcome.count, 1)
    costs = [(after - begun) * each for begun, after in zip(before, stand.cpu(), strict=True)]
    return Measured(path.name, path.title, path.budget, outcome, *costs)
