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

// Makes a tree show what a fresh one of the same kind shows, and touches only what differs. For trees without listeners
// and styles of their own.
export function patch(shown, fresh) {
  if (shown.nodeName !== fresh.nodeName) return shown.replaceWith(fresh);
  if (shown.nodeType === Node.TEXT_NODE) {
    if (shown.data !== fresh.data) shown.data = fresh.data;
    return;
  }
  for (const { name, value } of fresh.attributes) if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  for (const { name } of [...shown.attributes]) if (!fresh.hasAttribute(name)) shown.removeAttribute(name);
  const before = [...shown.childNodes], after = [...fresh.childNodes];
  after.forEach((child, i) => (before[i] ? patch(before[i], child) : shown.append(child)));
  for (const child of before.slice(after.length)) child.remove();
}

export function set_attribute(element, name, value) {
  const shown = READ.has(name) ? visible(value) : value;
  if (element.getAttribute(name) !== shown) element.setAttribute(name, shown);
}
