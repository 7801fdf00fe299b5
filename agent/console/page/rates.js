// Counters → change per second. Pure. A counter that the agent refreshes more slowly than it is asked keeps its last rate
// until it moves; one that falls (a restart) has none.

const FRESH_S = 30; // after so long without a move the rate is 0

export class Rates {
  #last = new Map(); // key → {value, at, rate}
  #seen = new Set();
  #now = 0;

  begin(now_s) {
    this.#now = now_s;
    this.#seen.clear();
  }
  // null: not known (yet).
  of(key, value) {
    if (value === null || value === undefined) return null;
    this.#seen.add(key);
    const last = this.#last.get(key);
    if (!last || value < last.value) {
      this.#last.set(key, { value, at: this.#now, rate: null });
      return null;
    }
    if (value > last.value) {
      const rate = (value - last.value) / Math.max(0.001, this.#now - last.at);
      this.#last.set(key, { value, at: this.#now, rate });
      return rate;
    }
    if (this.#now - last.at > FRESH_S) this.#last.set(key, { value, at: this.#now, rate: 0 });
    return this.#last.get(key).rate;
  }
  // Forgets what was not asked for since begin(): processes end.
  end() {
    for (const key of this.#last.keys()) if (!this.#seen.has(key)) this.#last.delete(key);
  }
}

// The samples of a family whose labels include `labels`.
export function samples_of(families, name, labels = {}) {
  const family = families.find((f) => f.name === name);
  const wanted = Object.entries(labels);
  return family ? family.samples.filter((sample) => wanted.every(([k, v]) => sample.labels[k] === v)) : [];
}
