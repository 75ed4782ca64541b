"""Figures against their budgets."""

import dataclasses

# What a figure may grow by, as a factor, and on top of it as a number: an allocation more in a hundred tokens is no news.
TOLERANCE = 0.05
SLACK = {"instructions": 0.0, "allocations": 0.01}


@dataclasses.dataclass(frozen=True)
class Verdict:
    name: str
    measured: float | None
    budget: float | None

    @property
    def slack(self):
        return SLACK[self.name.split()[1]]

    @property
    def has_grown(self):
        return self.is_comparable and self.measured > self.budget * (1 + TOLERANCE) + self.slack

    @property
    def has_shrunk(self):
        return self.is_comparable and self.measured < self.budget * (1 - TOLERANCE) - self.slack

    @property
    def is_comparable(self):
        return self.measured is not None and self.budget is not None

    @property
    def remark(self):
        if self.measured is None:
            return "not measured any more: drop it with --update"
        if self.budget is None:
            return "has no budget yet: add it with --update"
        if self.has_grown:
            return f"GROWN by more than {TOLERANCE:.0%}"
        if self.has_shrunk:
            return "shrunk: lower the budget with --update"
        return ""

    @property
    def row(self):
        ratio = f"{self.measured / self.budget:.3f}" if self.is_comparable and self.budget else "-"
        return f"{self.name:<48}{number(self.measured):>12}{number(self.budget):>12}{ratio:>8}  {self.remark}".rstrip()


def number(value):
    return "-" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:,.3f}"


def compare(measured, budgets):
    """A verdict for each figure that was measured or has a budget, in the order of measuring."""
    return [Verdict(name, measured.get(name), budgets.get(name)) for name in measured | budgets]


def passes(verdicts):
    """A figure without a budget fails as well: it would guard nothing."""
    return all(verdict.is_comparable and not verdict.has_grown for verdict in verdicts)


def table(verdicts):
    return "\n".join([f"{'':<48}{'measured':>12}{'budget':>12}{'ratio':>8}", *(verdict.row for verdict in verdicts)])
