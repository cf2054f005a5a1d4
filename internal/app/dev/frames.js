// The frames of the connection, as they are on the wire. The client is told to use this WebSocket
// and this encryption, which pass everything on and write it down.

import { $, clipped, clock, coloured, createFeed, element } from '/dev/dom.js';

const KEPT = 300; // frames
const LONGEST = 4000; // characters shown of a frame

const all = []; // the latest frames
const counts = { received: 0, sent: 0 };
let paused = false;
let arrived = 0; // while it was paused
let current; // the socket
let channel; // of the current connection, if it is encrypted

const feed = createFeed({ list: $('log'), scroller: $('frames-scroll'), make: row, limit: KEPT });

// FrameSocket is a WebSocket that shows its frames.
export class FrameSocket extends WebSocket {
  constructor(url) {
    super(url);
    current = this;
    channel = undefined;
    this.addEventListener('message', ({ data }) => record('received', String(data)));
    this.addEventListener('close', ({ code, reason }) => record('note', `closed with code ${code}${reason && `: ${reason}`}`));
    record('note', `connecting to ${url}`);
  }

  send(text) {
    record('sent', text);
    super.send(text);
  }
}

// showPlain returns an encryption that also shows the messages before they are sealed and after
// they have been opened.
export function showPlain(encryption) {
  return {
    async prepare() {
      const inner = await encryption.prepare();
      const outer = {
        ...inner,
        open(text, done, fail) {
          const opened = (plain) => {
            channel = outer; // there is a key now
            if (plain !== text) record('opened', plain); // the first message is not sealed
            done(plain);
          };
          inner.open(text, opened, fail);
        },
        seal(text, done) {
          record('sealed', text);
          inner.seal(text, done);
        },
      };
      return outer;
    },
  };
}

const kinds = {
  received: ['↓', 'received'],
  sent: ['↑', 'sent'],
  sealed: ['↑', 'plain text of the next frame'],
  opened: ['↓', 'decrypted'],
  note: ['·', 'connection'],
};

// The client gives heartbeats IDs that begin with h.
const isHeartbeat = (text) => text.startsWith('{"event":"heartbeat"') || /^\{"event":"ack".*"id":"h[\d.]+"\}$/.test(text);

function record(kind, text) {
  if (kind in counts) $(`count-${kind}`).textContent = (++counts[kind]).toLocaleString('en');
  if (isHeartbeat(text) && !$('beats').checked) return;
  const entry = { kind, text: clipped(text, LONGEST), time: new Date() };
  if (!paused) return feed.add(all, entry);
  arrived++;
  all.push(entry);
  if (all.length > KEPT) all.shift();
  showPause();
}

function row({ kind, text, time }) {
  const [arrow, words] = kinds[kind];
  const head = element('p', 'head', element('b', '', `${arrow} ${words}`), ' ', element('time', '', clock(time, true)));
  const code = element('code', '');
  code.dir = 'ltr';
  code.append(...(kind === 'note' ? [text] : coloured(text)));
  return element('li', kind, head, code);
}

function showPause() {
  $('pause').textContent = paused ? `Resume${arrived > 0 ? ` (${arrived.toLocaleString('en')} new)` : ''}` : 'Pause';
  $('pause').setAttribute('aria-pressed', paused);
}

$('pause').onclick = () => {
  paused = !paused;
  arrived = 0;
  feed.show(paused ? [...all] : all);
  showPause();
};

$('clear').onclick = () => {
  all.length = 0;
  arrived = 0;
  feed.show(paused ? [] : all);
  showPause();
};

$('raw').onsubmit = (e) => {
  e.preventDefault();
  const text = $('frame').value || $('frame').placeholder;
  if (current?.readyState !== WebSocket.OPEN) record('note', 'not sent, because there is no connection');
  else if (channel) channel.seal(text, (sealed) => current.send(sealed));
  else current.send(text);
};

// suggestFrame sets what is sent if the field for frames is empty.
export function suggestFrame(room) {
  $('frame').placeholder = JSON.stringify({ event: 'say', data: { text: 'by hand' }, room, id: '1' });
}

// showLatest scrolls to the latest frames.
export const showLatest = () => feed.toEnd();

feed.show(all);
