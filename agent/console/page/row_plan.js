// How a list of rows becomes another one with few changes. Pure.

// Indices of the longest rising run (not of neighbours) in `places`; -1 never belongs to it.
function longest_rising(places) {
  const ends = [], before = []; // ends[n]: index where the best run of length n + 1 ends
  places.forEach((place, i) => {
    if (place < 0) return;
    let low = 0, high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[ends[middle]] < place) low = middle + 1;
      else high = middle;
    }
    before[i] = low > 0 ? ends[low - 1] : -1;
    ends[low] = i;
  });
  const run = new Set();
  for (let i = ends.at(-1) ?? -1; i >= 0; i = before[i]) run.add(i);
  return run;
}

// shown, wanted: keys from the top; may_become(key): whether the row of a key that is gone may show another one.
// → {steps: [{key, from, moves}] from the top, gone: keys whose rows are to go}. from: the key whose row is taken, null for a
// new row; moves: it is put after the row before it, the others stand right among themselves.
export function row_plan(shown, wanted, may_become = () => false) {
  const stays = new Set(wanted), at = new Map(shown.map((key, i) => [key, i]));
  const gone = shown.filter((key) => !stays.has(key));
  const free = new Set(gone.filter(may_become));
  const from = new Map();
  // one that comes where one goes takes its row; the others what is left
  wanted.forEach((key, i) => {
    if (!at.has(key) && !from.has(key) && free.delete(shown[i])) from.set(key, shown[i]);
  });
  const left = [...free];
  for (const key of wanted) if (left.length && !at.has(key) && !from.has(key)) from.set(key, left.shift());
  const taken = new Set(from.values());
  const sources = wanted.map((key) => (at.has(key) ? key : from.get(key) ?? null));
  const stand = longest_rising(sources.map((key) => (key === null ? -1 : at.get(key))));
  return {
    steps: wanted.map((key, i) => ({ key, from: sources[i], moves: !stand.has(i) })),
    gone: gone.filter((key) => !taken.has(key)),
  };
}
