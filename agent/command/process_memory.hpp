#pragma once

// What the process keeps resident beyond what it uses. Not part of MemoryPlan, which bounds the tables.
namespace sonde {

// What a scrape or a reading of all processes needs for a moment goes back at once: fixed thresholds, since glibc's own
// grow to 32 MiB. Heaps stay one per thread: none waits for the pipeline's. Before the first thread.
void use_little_memory();

// Gives back what only the start needed: freed heap, and those pages of the program and its libraries that nobody
// writes to. Where they are used again they come back from the page cache. Milliseconds; any thread.
void release_startup_memory();

}  // namespace sonde
