#pragma once

#include <string>
#include <vector>

#include "agent/config/config.hpp"

namespace sonde {

// One thing that `sonde doctor --bench` measured on this machine.
struct Measured {
    std::string name;  // stable: scripts look for it
    double value = 0;
    std::string unit;  // "records/s", "MB/s"; empty: it could not be measured, and text says why and what to do
    std::string text;  // what it was measured with
};

// The parts that a record passes, each at the most it does here, in less than ten seconds together: the kernel's ring,
// read as `sonde run` reads it; the pipeline, from records to metrics; the events file in events.directory, or
// in the temporary directory where none is set. What it writes it takes away again.
// agent_runs: a second set of programs would cost the machine's traffic again; the ring is left out.
std::vector<Measured> run_bench(const Config& config, bool agent_runs);

void print_bench(const std::vector<Measured>& measured);
// {"bench": [{"name", "value", "unit", "text"}, …]}; value and unit are null where it could not be measured.
void print_bench_json(const std::vector<Measured>& measured);

}  // namespace sonde
