// The page of development mode. It uses the WebSocket directly, without a client
// library, so it also shows how the protocol works.

import { agree, offer, open, seal } from '/dev/seal.js';

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const endpoint = new URL(document.querySelector('meta[name="ignis-path"]').content, location.href);
endpoint.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';

const KEPT = 500; // entries kept in each list
const HEARTBEAT = 30_000; // ms; the server gives up after 90 s
const NAMES = ['ann', 'ben', 'cleo', 'dan', 'eve', 'finn', 'gwen', 'hugo', 'iris', 'jon', 'kim', 'leo'];

const state = {
  link: null, // the connection, if there is one
  wanted: false, // whether to connect again when the connection is lost
  attempt: 0,
  retry: 0,
  heartbeat: 0,
  rooms: new Set((query.get('room') ?? 'lobby').split(',').filter(Boolean)),
  frames: { in: 0, out: 0 },
};

// ---- the connection

// Keys and the messages waiting to be opened or sealed belong to one connection:
// leftovers must not be opened or sealed with the key of the next connection.
function connect() {
  clearTimeout(state.retry);
  state.wanted = true;
  show('waiting', 'connecting');
  const link = {
    socket: new WebSocket(endpoint),
    id: '', // the client ID that the server assigned
    pair: null, // the key pair that was offered to the server
    key: null, // the key that seals messages; null if they are not encrypted
    inbox: Promise.resolve(), // messages are opened one after the other, to keep their order
    outbox: Promise.resolve(), // and sealed likewise
  };
  state.link = link;
  const { socket } = link;
  socket.onopen = async () => {
    const data = {};
    const userId = $('user').value.trim();
    if (userId) data.userId = userId;
    if ($('encrypt').checked) ({ pair: link.pair, publicKey: data.publicKey } = await offer());
    transmit({ event: 'authenticate', data }, link);
  };
  socket.onmessage = ({ data }) => {
    link.inbox = link.inbox.then(() => receive(link, String(data))).catch((e) => note(`Cannot read a message: ${e}`, true));
  };
  socket.onclose = (end) => {
    link.inbox = link.inbox.then(() => closed(link, end));
  };
}

function disconnect() {
  state.wanted = false;
  clearTimeout(state.retry);
  state.link?.socket.close(1000);
  if (state.link === null) show('closed', 'not connected');
}

function closed(link, { code, reason }) {
  if (state.link !== link) return;
  state.link = null;
  clearInterval(state.heartbeat);
  const text = `closed with ${code}${reason ? ` (${reason})` : ''}`;
  frame('fact', text);
  if (!state.wanted) {
    show('closed', 'not connected');
    return;
  }
  if (state.attempt === 0) note(`The connection was ${text}. Connecting again…`, true);
  const wait = Math.min(5000, 300 * 2 ** state.attempt++) * (0.75 + Math.random() / 2);
  show('failed', 'connection lost, trying again');
  state.retry = setTimeout(connect, wait);
}

function transmit(message, link) {
  transmitText(JSON.stringify(message), link);
}

function transmitText(text, link = state.link) {
  if (link?.socket.readyState !== WebSocket.OPEN) return false;
  const { socket, key } = link;
  link.outbox = link.outbox.then(async () => {
    const sent = key ? await seal(key, text) : text;
    if (key) frame('within', text);
    socket.send(sent);
    frame('out', sent);
  });
  return true;
}

// ---- messages from the server

async function receive(link, text) {
  frame('in', text);
  if (state.link !== link) return; // a newer connection has replaced it
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return; // the list of frames shows it
  }
  if (link.key) {
    if (message?.event !== 'encrypted') throw new Error('it is not encrypted, so it is not from the server');
    text = await open(link.key, message.data);
    frame('within', text);
    message = JSON.parse(text);
  }
  const { event, data } = message;
  if (event === 'connected' && !link.id) await connected(link, data);
  else if (event === 'error') note(`The server says: ${data?.message}`, true);
  else if (event === 'chat' && typeof data?.text === 'string' && data.from) said(data);
  else happened(event, dataOf(text));
}

async function connected(link, data) {
  const { id, userId } = data;
  if (link.pair && data.serverPublicKey) link.key = await agree(link.pair, data);
  else if (link.pair) note('The server does not encrypt: start it with --encryption optional.', true);
  if (state.link !== link) return;
  link.id = id;
  state.attempt = 0;
  show('open', `connected${userId ? ` as ${userId}` : ', anonymous'}${link.key ? ', encrypted' : ''}`);
  clearInterval(state.heartbeat);
  state.heartbeat = setInterval(() => transmit({ event: 'heartbeat' }), HEARTBEAT);
  if (state.rooms.size > 0) transmit({ event: 'join', data: { rooms: [...state.rooms] } });
  note(`You are ${userId ?? 'anonymous'}${state.rooms.size ? ` in ${[...state.rooms].join(', ')}` : ''}.`);
}

// dataOf returns the text of the data unchanged. Parsing would round big numbers.
function dataOf(text) {
  return text.match(/^\{"event":"(?:[^"\\]|\\.)*","data":([^]*)\}$/)?.[1] ?? '';
}

// ---- display

function show(status, text) {
  $('status').dataset.state = status;
  $('status-text').textContent = text;
  const open = status === 'open';
  $('identity').hidden = !open;
  $('client-id').textContent = state.link?.id.slice(0, 8) ?? '';
  $('connect').textContent = state.wanted ? 'Disconnect' : 'Connect';
  $('user').disabled = $('encrypt').disabled = state.wanted;
  const ready = open && state.rooms.size > 0;
  for (const id of ['text', 'send', 'to']) $(id).disabled = !ready;
  document.title = `${$('user').value.trim() || 'anonymous'} · Ignis`;
}

function said({ room, text, from }) {
  const mine = from.id === state.link?.id;
  const name = from.userId ?? `anonymous ${from.id.slice(0, 4)}`;
  const face = element('span', 'face', name.slice(0, 1).toUpperCase());
  face.style.setProperty('--hue', hue(from.userId ?? from.id));
  const who = element('span', 'who');
  who.append(element('b', '', mine ? 'You' : name), ` in ${room} · ${clock(false)}`);
  append($('messages'), element('li', mine ? 'mine' : '', face, who, element('div', 'body', text)));
}

function happened(event, data) {
  const who = element('span', 'who');
  who.append('event ', element('b', '', event), ` · ${clock(false)}`);
  const body = element('div', 'body');
  body.append(...coloured(data || 'no data'));
  append($('messages'), element('li', 'event', element('span', 'face', '⚡'), who, body));
}

function note(text, bad = false) {
  append($('messages'), element('li', bad ? 'note bad' : 'note', text));
}

function frame(direction, text) {
  if (direction in state.frames) $(`count-${direction}`).textContent = ++state.frames[direction];
  if (text === '{"event":"heartbeat"}' && !$('beats').checked) return;
  const code = element('code', '');
  code.append(...(direction === 'fact' ? [text] : coloured(text)));
  const arrow = element('span', direction, { in: '↓', out: '↑', fact: '·', within: '↳' }[direction]);
  append($('log'), element('li', direction in state.frames ? '' : direction, arrow, element('time', '', clock(true)), code));
}

// coloured splits JSON text into coloured spans without changing the text.
function coloured(text) {
  if (text.length > 20_000) return [text];
  const parts = [];
  let end = 0;
  for (const m of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g)) {
    parts.push(text.slice(end, m.index));
    const token = m[1] ?? m[0];
    parts.push(element('span', m[2] ? 'key' : m[1] ? 'string' : 'number', token));
    end = m.index + token.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function showRooms() {
  $('rooms').replaceChildren(...[...state.rooms].map((room) => {
    const leave = element('button', '', '×');
    leave.type = 'button';
    leave.title = `Leave ${room}`;
    leave.onclick = () => leaveRoom(room);
    return element('li', '', element('span', '', room), leave);
  }));
  const chosen = $('to').value;
  $('to').replaceChildren(...[...state.rooms].map((room) => new Option(room, room, false, room === chosen)));
  const [first = 'lobby'] = state.rooms;
  $('tip-listen').textContent = `ignis listen ${endpoint} \\\n  --join ${quoted(first)}`;
  $('tip-emit').textContent = `ignis emit room ${quoted(first)} notice \\\n  '{"text":"hello"}'`;
  const other = NAMES[(NAMES.indexOf($('user').value) + 1) % NAMES.length];
  $('second').href = `/?${new URLSearchParams({ user: other, room: [...state.rooms].join(',') })}`;
  show($('status').dataset.state, $('status-text').textContent);
}

function append(list, item) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.append(item);
  while (list.childElementCount > KEPT) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function element(name, className, ...children) {
  const e = document.createElement(name);
  e.className = className;
  e.append(...children);
  return e;
}

function clock(exact) {
  const now = new Date();
  const text = now.toTimeString().slice(0, exact ? 8 : 5);
  return exact ? `${text}.${String(now.getMilliseconds()).padStart(3, '0')}` : text;
}

function hue(text) {
  let h = 7;
  for (const c of text) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

function quoted(text) {
  return /^[\w.:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// ---- actions of the user

function leaveRoom(room) {
  state.rooms.delete(room);
  transmit({ event: 'leave', data: { rooms: [room] } });
  showRooms();
}

$('connection').onsubmit = (e) => {
  e.preventDefault();
  if (state.wanted) disconnect();
  else connect();
};

$('join').onsubmit = (e) => {
  e.preventDefault();
  const room = $('room').value.trim();
  $('room').value = '';
  if (!room || state.rooms.has(room)) return;
  if (room.startsWith('ws:')) {
    note('Names that start with ws: belong to the protocol.', true);
    return;
  }
  state.rooms.add(room);
  if (state.link?.id) transmit({ event: 'join', data: { rooms: [room] } });
  showRooms();
  $('to').value = room;
};

$('compose').onsubmit = (e) => {
  e.preventDefault();
  const text = $('text').value;
  if (text.trim() && transmitText(JSON.stringify({ event: 'chat', data: { room: $('to').value, text } }))) $('text').value = '';
};

$('raw').onsubmit = (e) => {
  e.preventDefault();
  const input = $('frame');
  if (!transmitText(input.value || input.placeholder)) note('Not connected.', true);
};

$('clear').onclick = () => $('log').replaceChildren();
$('client-id').onclick = () => navigator.clipboard.writeText(state.link?.id ?? '');

// Each tab keeps its name when it is reloaded.
$('user').value = query.get('user') ?? sessionStorage.getItem('user') ?? NAMES[Math.floor(Math.random() * NAMES.length)];
$('user').onchange = () => sessionStorage.setItem('user', $('user').value);
sessionStorage.setItem('user', $('user').value);
$('encrypt').checked = query.has('encrypt') || sessionStorage.getItem('encrypt') === 'yes';
$('encrypt').onchange = () => sessionStorage.setItem('encrypt', $('encrypt').checked ? 'yes' : 'no');
showRooms();
connect();
