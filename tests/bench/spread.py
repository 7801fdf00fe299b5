"""The middle of several measurements and how far they lie apart."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    low: float  # the quartiles
    high: float
    count: int

    @classmethod
    def of(cls, values):
        values = list(values)
        middle = statistics.median(values)
        low, high = middle, middle
        if len(values) > 1:
            low, _, high = statistics.quantiles(values, n=4, method="inclusive")  # never beyond what was measured
        return cls(middle, low, high, len(values))

    def scaled(self, factor):
        return Spread(self.median * factor, self.low * factor, self.high * factor, self.count)

    def overlaps(self, other):
        return self.low <= other.high and other.low <= self.high

    def ratio_text(self):
        return f"x{self.median:.3f} (quartiles {self.low:.3f} {self.high:.3f})"
