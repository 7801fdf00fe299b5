"""What each program cost a kernel's verifier, held to what was recorded (costs.json): a jump of a fifth is one that an
older or newer kernel may refuse, and that nobody meant. Before 5.16 the kernel does not tell; there the program's length
stands for it. Kernels that were not recorded are shown, not judged: their own verifiers differ."""

import json
import pathlib
import re

RECORDED = pathlib.Path(__file__).resolve().parent / "costs.json"
JUMP = 1.20
FEW = 200  # instructions: below that a fifth is a line of C


def of(text):
    """{program: instructions} of what program_costs printed; programs of one name are summed up."""
    costs = {}
    for line in text.splitlines():
        name, verified, length = line.split()
        costs[name] = costs.get(name, 0) + (int(verified) or int(length))
    return costs


def release(kernel):
    """"6.12.48+deb13-amd64" → "6.12": patches leave the verifier alone."""
    return re.match(r"\d+\.\d+", kernel)[0]


def recorded():
    return json.loads(RECORDED.read_text()) if RECORDED.exists() else {}


def record(costs):
    RECORDED.write_text(json.dumps(recorded() | costs, indent=1, sort_keys=True) + "\n")


def jumps(kernel, costs):
    known = recorded().get(kernel)
    if known is None:
        return []
    wrong = [f"{name} costs the verifier {now} instructions, {known[name]} were recorded"
             for name, now in sorted(costs.items()) if name in known and now > max(known[name] * JUMP, known[name] + FEW)]
    odd = sorted(set(costs) ^ set(known))
    return wrong + ([f"programs that are new or gone: {' '.join(odd)}; look at their costs and run --record"] if odd else [])


def words(costs):
    if not costs:
        return "?"
    most = max(costs, key=costs.get)
    return f"{sum(costs.values()):,} ({most} {costs[most]:,})"
