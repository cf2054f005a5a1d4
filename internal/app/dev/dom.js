// Functions for the document. Texts of others only ever become text nodes.

export const $ = (id) => document.getElementById(id);

export function element(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

export function button(text, onclick, className) {
  const b = element('button', className, text);
  b.type = 'button';
  b.onclick = onclick;
  return b;
}

// clipped returns at most max characters of a text, and says what it left out.
export function clipped(text, max) {
  return text.length <= max ? text : `${text.slice(0, max)}… (${(text.length - max).toLocaleString('en')} more characters)`;
}

export function clock(date, exact) {
  const text = date.toTimeString().slice(0, exact ? 8 : 5);
  return exact ? `${text}.${String(date.getMilliseconds()).padStart(3, '0')}` : text;
}

// coloured splits JSON text into coloured spans without changing the text.
export function coloured(text) {
  const parts = [];
  let end = 0;
  for (const m of text.matchAll(/("(?:[^"\\]|\\.)*"?)(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g)) {
    const token = m[1] ?? m[0];
    parts.push(text.slice(end, m.index), element('span', m[2] ? 'key' : m[1] ? 'string' : 'number', token));
    end = m.index + token.length;
  }
  parts.push(text.slice(end));
  return parts;
}

// hue returns an angle for a name, so that each name has a colour of its own.
export function hue(text) {
  let h = 7;
  for (const c of text) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

let announcing = 0;
const announcements = [];

// announce tells users of screen readers what happened. What happens within a second is told
// together, and of many things only how many there were.
export function announce(text) {
  announcements.push(text);
  announcing ||= setTimeout(() => {
    announcing = 0;
    const list = announcements.splice(0);
    $('announce').textContent = list.length > 3 ? `${list.at(-1)} And ${list.length - 1} more.` : list.join(' ');
  }, 1000);
}

// createFeed shows items in a list that scrolls. It keeps the latest ones, and stays at the end
// unless the user has scrolled up. Items that arrive together are shown together.
export function createFeed({ list, scroller, make, limit, onBehind = () => {} }) {
  let items = [];
  let frame = 0;
  const nodes = new Map();

  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  let follows = true; // whether to stay at the end
  let last = 0; // where it was scrolled to

  const toEnd = () => {
    follows = true;
    scroller.scrollTop = scroller.scrollHeight;
    onBehind(false);
  };

  function flush() {
    cancelAnimationFrame(frame);
    frame = 0;
    const kept = new Set(items);
    for (const [item, node] of nodes) {
      if (kept.has(item)) continue;
      node.remove();
      nodes.delete(item);
    }
    const added = items.map((item, i) => [item, items[i - 1]]).filter(([item]) => !nodes.has(item));
    for (const [item, previous] of added) {
      const node = make(item, previous);
      nodes.set(item, node);
      list.append(node);
    }
    if (follows) toEnd();
    else if (added.length > 0) onBehind(true);
  }

  scroller.addEventListener('scroll', () => {
    // Messages and notices that appear move the end away; only users scroll up.
    if (atEnd()) follows = true;
    else if (scroller.scrollTop < last) follows = false;
    last = scroller.scrollTop;
    if (follows) onBehind(false);
  }, { passive: true });
  new ResizeObserver(() => follows && toEnd()).observe(scroller);
  return {
    flush,
    toEnd,
    // show shows other items, from the end.
    show(others) {
      items = others;
      nodes.clear();
      list.replaceChildren();
      flush();
      toEnd();
    },
    // add adds an item to items, which may be others than those shown.
    add(others, item) {
      others.push(item);
      if (others.length > limit) others.shift();
      if (others === items) frame ||= requestAnimationFrame(flush);
    },
    // update shows an item that has changed.
    update(item) {
      const node = nodes.get(item);
      if (!node) return;
      const other = make(item, items[items.indexOf(item) - 1]);
      nodes.set(item, other);
      node.replaceWith(other);
      if (follows) toEnd();
    },
  };
}
