// The few things that the views need of the document. What came over the wire only ever becomes text:
// there is no way in here to make markup of it.
import { hue, initials } from '../model/text.mjs';

export const byId = (id) => document.getElementById(id);

/** A copy of what stands in a template. */
export const copyOf = (templateId) => byId(templateId).content.firstElementChild.cloneNode(true);

/** Changes the text only if it is another, so that nothing is read out twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the children of `parent` be those of `rows`, `{key, make, update}` each, in that order. A child
 * keeps its element as long as its key is there, and with it the focus and what was read out.
 */
export function arrange(parent, rows) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = new Set(rows.map(({ key }) => key));
  for (const [key, child] of known) if (!wanted.has(key)) child.remove();
  let place = parent.firstElementChild;
  for (const { key, make, update } of rows) {
    let child = known.get(key);
    if (!child) {
      child = make();
      child.dataset.key = key;
    }
    update?.(child);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  // An element that is moved loses the focus.
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** A round picture of a name: initials on a colour, which say nothing that the name beside does not. */
export function showAvatar(node, name, { online, isGroup = false } = {}) {
  const shown = `${isGroup} ${name}`;
  if (node.dataset.shown !== shown) {
    node.dataset.shown = shown;
    node.classList.add('avatar');
    node.classList.toggle('group', isGroup);
    node.style.setProperty('--hue', String(hue(name)));
    const letters = document.createElement('span');
    letters.setAttribute('aria-hidden', 'true');
    if (isGroup) letters.append(icon('group'));
    else letters.textContent = initials(name);
    node.replaceChildren(letters);
  }
  showPresence(node, online);
}

/** A dot, and words for who does not see it. `online` undefined: neither. */
function showPresence(node, online) {
  let dot = node.querySelector('.presence');
  if (online === undefined) return dot?.remove();
  if (!dot) {
    dot = document.createElement('span');
    const words = document.createElement('span');
    words.className = 'hidden-text';
    dot.append(words);
    node.append(dot);
  }
  dot.className = online ? 'presence online' : 'presence';
  return setText(dot.firstElementChild, online ? 'online ' : 'offline ');
}

/** Outlines of 24 × 24. */
const PATHS = {
  send: 'M12 19V5M5.5 11.5 12 5l6.5 6.5',
  back: 'M15 5l-7 7 7 7',
  down: 'M12 5v14M5.5 12.5 12 19l6.5-6.5',
  group: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.5 2.9-5.5 6.5-5.5s6.5 2 6.5 5.5M16 4.4a3.5 3.5 0 0 1 0 6.2M18 14.9c2.2.8 3.5 2.5 3.5 5.1',
};

export function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(space, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
