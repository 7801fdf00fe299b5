// A live list: one row per key, drawn a few in each frame, so that focus, hover and selection outlive an update and no
// frame waits for the whole list.

import { add_to_frames, do_in_frames, forget_frames } from "./frames.js";
import { row_plan } from "./row_plan.js";

const BEHIND_MOST = 5; // updates that a row out of sight stays behind
const NEAR = "100px 0px";
const REMOVED_AT_ONCE = 50;

// create(item) → {element, update(item)}. Options:
//   constant: what a key shows never changes
//   reuse:    update() may turn a row into that of another key; cheaper than a new one
// → {update(items, when_drawn), close()}
export function row_list(parent, key_of, create, { constant = false, reuse = false } = {}) {
  const owner = {};
  const rows = new Map(), of_element = new WeakMap();
  const observer = constant ? null : new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const row = of_element.get(entry.target);
      row.in_sight = entry.isIntersecting;
      if (row.in_sight && row.behind > 0) add_to_frames(owner, () => draw(row));
    }
  }, { rootMargin: NEAR });

  function draw(row) {
    row.behind = 0;
    row.update(row.item);
  }
  function add(key, item) {
    const { element, update } = create(item);
    const row = { key, item, element, update, in_sight: false, behind: 0 };
    rows.set(key, row);
    of_element.set(element, row);
    draw(row);
    observer?.observe(element);
    return row;
  }
  function remove(key) {
    const { element } = rows.get(key);
    observer?.unobserve(element);
    element.remove();
    rows.delete(key);
  }
  function become(row, key, item) {
    rows.delete(row.key);
    rows.set(key, Object.assign(row, { key, item }));
    draw(row);
  }
  function put_after(element, before) {
    const next = before ? before.nextElementSibling : parent.firstElementChild;
    if (next === element) return;
    // moved, not taken out and put in: focus stays
    if (parent.moveBefore && element.parentNode === parent) parent.moveBefore(element, next);
    else parent.insertBefore(element, next);
  }

  const may_become = (key) => reuse && !rows.get(key).element.matches(":hover, :focus-within");
  // Rows out of sight are drawn by turns.
  const is_due = (row) => !constant && (row.in_sight || ++row.behind >= BEHIND_MOST);

  function update(items, when_drawn = undefined) {
    const keys = items.map(key_of);
    const plan = row_plan(Array.from(parent.children, (element) => of_element.get(element).key), keys, may_become);
    const added = plan.steps.filter((step) => step.from === null).length;
    const steps = [];
    // as many as come may stand until the others are there; the rest is no longer true
    const goes_now = plan.gone.splice(added);
    while (goes_now.length) {
      const some = goes_now.splice(0, REMOVED_AT_ONCE);
      steps.push(() => some.forEach(remove));
    }
    plan.steps.forEach(({ key, from, moves }, i) => {
      const item = items[i], row = rows.get(from);
      if (row && from === key) {
        row.item = item;
        if (!is_due(row) && !moves) return;
      }
      steps.push(() => {
        if (!row) {
          const leaves = plan.gone.pop();
          if (leaves !== undefined) remove(leaves);
        }
        const drawn = row ?? rows.get(key) ?? add(key, item);
        if (from !== key && row) become(row, key, item);
        else if (row && !constant) draw(row);
        if (moves) put_after(drawn.element, i > 0 ? rows.get(keys[i - 1]).element : null);
      });
    });
    if (when_drawn) steps.push(when_drawn);
    do_in_frames(owner, steps);
  }
  return {
    update,
    close() {
      observer?.disconnect();
      forget_frames(owner);
    },
  };
}
