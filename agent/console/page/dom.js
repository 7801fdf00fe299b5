// Elements out of data. Strings become text nodes, never markup, and lose the power to act: paths, hosts and names come
// from strangers.

import { visible } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

const READ = new Set(["title", "aria-label", "placeholder"]); // attributes that people read

function apply(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value); // attributes of that name are barred by the policy
    else element.setAttribute(name === "class_" ? "class" : name, value === true ? "" : READ.has(name) ? visible(String(value)) : String(value));
  }
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : visible(String(child)));
  }
  return element;
}

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  apply(element, properties);
  return append(element, children);
}

export function s(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  apply(element, properties);
  return append(element, children);
}

// Sets only what changed: most cells of a live table are the same a second later.
export function set_text(element, text) {
  const shown = visible(text);
  const only = element.firstChild;
  if (only === null || only !== element.lastChild || only.nodeType !== Node.TEXT_NODE) {
    if (element.textContent !== shown) element.textContent = shown;
  } else if (only.data !== shown) only.data = shown; // cheaper for the browser than another node
}

export function set_attribute(element, name, value) {
  const shown = READ.has(name) ? visible(value) : value;
  if (element.getAttribute(name) !== shown) element.setAttribute(name, shown);
}

// Keeps the children of `parent` in step with `items`: create(item) → {element, update(item)} once per key, so that
// focus, hover and selection outlive an update.
export function keyed(parent, key_of, create) {
  const rows = new Map();
  return (items) => {
    const gone = new Set(rows.keys());
    for (const item of items) gone.delete(key_of(item));
    for (const key of gone) {
      rows.get(key).element.remove();
      rows.delete(key);
    }
    let at = parent.firstElementChild;
    for (const item of items) {
      const key = key_of(item);
      let row = rows.get(key);
      if (!row) rows.set(key, (row = create(item)));
      row.update(item);
      // one that went down is stepped over, not moved past by all below it: it is put where it belongs when its turn comes
      if (row.element === at || row.element === at?.nextElementSibling) at = row.element.nextElementSibling;
      else parent.insertBefore(row.element, at);
    }
  };
}
