// The page of development mode: a chat on the client that the server offers at /ignis.js.

import { advice, createClient, endpoint, summary } from '/dev/connection.js';
import { $, announce, button, element } from '/dev/dom.js';
import { showLatest as showLatestFrames, suggestFrame } from '/dev/frames.js';
import * as rooms from '/dev/rooms.js';
import { otherTab, save, settings } from '/dev/settings.js';
import { showCommands } from '/dev/terminal.js';

let client;
let change = { state: 'idle' }; // the latest change of the client's state
let reconnecting = false; // a connection was lost and there is no other one yet

// ---- connection

function connect() {
  const before = client;
  const mine = (client = createClient(settings));
  before?.close(); // only the current client is shown
  reconnecting = false;
  rooms.use(mine);
  mine.onState((happened) => mine === client && stateChanged(happened));
  mine.onMessage(rooms.received);
  mine.onError((error) => {
    const room = rooms.current();
    if (room) rooms.note(room, `${error.message}.`, true);
  });
  mine.connect().catch(() => {}); // stateChanged shows why
}

const actions = {
  connect: () => (client.state === 'closed' ? connect() : client.connect().catch(() => {})),
  encrypt: () => setEncryption(true),
  plain: () => setEncryption(false),
};

function setEncryption(on) {
  $('encrypt').checked = settings.encrypt = on;
  save();
  connect();
}

function stateChanged(happened) {
  const { state, previous } = (change = happened);
  if (previous === 'connected') reconnecting = state === 'waiting' || state === 'suspended';
  if (state === 'waiting') reconnecting = true;
  if (state === 'connected') {
    announce(reconnecting ? 'Connected again.' : `${summary(about())}.`);
    reconnecting = false;
  }
  showState();
  if (state === 'waiting' && previous === 'connected') announce(`Connection lost. ${advice(change, {}).text} Connecting again.`);
  if (state === 'closed') announce(`${$('banner-title').textContent} ${$('banner-text').textContent}`);
}

const about = () => ({ state: change.state, name: client?.userId, encrypted: settings.encrypt });

function showState() {
  $('state').dataset.state = change.state;
  $('state-text').textContent = summary(about());
  $('connect').textContent = change.state === 'closed' ? 'Connect' : 'Disconnect';
  $('client').hidden = change.state !== 'connected';
  $('client-id').textContent = client?.id ?? '';
  const what = advice(change, { encrypt: settings.encrypt, reconnecting });
  const had = document.activeElement === $('banner-action');
  $('banner').hidden = !what;
  $('banner').dataset.state = change.state;
  if (what) {
    $('banner-title').textContent = what.title;
    $('banner-text').textContent = what.text;
    $('banner-action').textContent = what.action;
    $('banner-action').hidden = !what.action;
    $('banner-action').onclick = actions[what.then];
  }
  if (had && (!what || !what.action)) $('text').focus(); // the button has gone
  showTime();
}

function showTime() {
  const left = change.state === 'waiting' ? Math.max(0, Math.ceil((change.retryAt - Date.now()) / 1000)) : 0;
  $('banner-time').textContent = change.state !== 'waiting' ? '' : left > 0 ? `Next attempt in ${left} s.` : 'Next attempt now.';
}
setInterval(showTime, 500);

// ---- messages

function send(room, item) {
  const connected = client.state === 'connected';
  Object.assign(item, { status: 'waiting', connected, reason: '', joinFirst: false });
  rooms.update(item);
  client.send('say', { text: item.text }, { room: room.name }).then(
    () => {
      if (item.status !== 'waiting') return; // it has arrived here
      item.status = 'delivered';
      rooms.update(item);
    },
    (error) => {
      const joinFirst = error.code === 'forbidden' && !room.member;
      Object.assign(item, { status: 'failed', joinFirst, reason: joinFirst ? `you are not in ${room.name}.` : `${error.message}.` });
      rooms.update(item);
      rooms.showLatest();
      announce(`Not delivered: ${item.reason}`);
    },
  );
}

function act(item, what) {
  const room = rooms.current();
  $('text').focus();
  if (what === 'discard') return rooms.discard(room, item);
  if (what === 'join') rooms.join(room.name);
  send(room, item);
}

function submit() {
  const room = rooms.current();
  const text = $('text').value;
  if (!text.trim()) return;
  if (!room) return $('room').focus();
  const item = { kind: 'said', name: settings.name || 'anonymous', mine: true, text, room: room.name, time: new Date() };
  send(room, item);
  rooms.add(room, item);
  rooms.showLatest();
  $('text').value = '';
  typed();
}

let told = 0; // when the others were told that the user is typing

// typed tells the others that the user is typing, every few seconds, or no longer.
function typed() {
  const room = rooms.current();
  const on = $('text').value !== '';
  if (!room?.member || client.state !== 'connected' || (on ? Date.now() - told < 3000 : told === 0)) return;
  told = on ? Date.now() : 0;
  void client.send('typing', { on }, { room: room.name, volatile: true });
}

$('compose').onsubmit = (e) => {
  e.preventDefault();
  submit();
};
$('text').oninput = typed;
$('text').onkeydown = (e) => {
  if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
  e.preventDefault();
  submit();
};

// ---- rooms

function showRooms() {
  const room = rooms.current();
  const focused = document.activeElement?.dataset.room;
  $('rooms').replaceChildren(...rooms.all().map((other) => roomRow(other, other === room)));
  if (focused !== undefined) [...$('rooms').querySelectorAll('button')].find((b) => b.dataset.room === focused)?.focus();
  const state = room ? roomState(room) : '';
  $('title').textContent = room ? room.name : 'No room';
  $('about').textContent = state;
  $('leave').hidden = !room;
  $('leave').textContent = room?.member && !room.refused ? 'Leave' : 'Join';
  $('forget').hidden = !room || room.member;
  $('empty').textContent = !room ? 'You are in no room. Join one, for example lobby.' : room.items.length > 0 ? '' : 'No messages yet. Write one, and answer it in a second tab.';
  $('text').placeholder = !room ? 'Join a room first' : room.member ? `Message to ${room.name}` : `Message to ${room.name}, which you are not in`;
  const typists = room ? rooms.typists(room) : '';
  $('typing').dataset.on = typists !== '';
  $('typing-text').textContent = typists;
  const unread = rooms.unread();
  $('unread').hidden = unread === 0;
  $('unread').textContent = `${unread} new`;
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${settings.name || 'anonymous'} · Ignis`;
}

function roomState(room) {
  if (room.refused) return 'refused';
  if (!room.member) return 'you are not in this room';
  return room.handle?.state === 'joined' ? (settings.encrypt ? 'joined, encrypted' : 'joined') : 'waiting to join';
}

function roomRow(room, isCurrent) {
  const choose = button('', () => {
    rooms.select(room.name);
    closePanels();
    $('text').focus();
  });
  choose.dataset.room = room.name;
  if (isCurrent) choose.setAttribute('aria-current', 'true');
  choose.append(element('bdi', 'name', room.name));
  if (room.unread > 0) choose.append(element('span', 'unread', `${room.unread} new`));
  else if (!room.member) choose.append(element('span', 'quiet', 'left'));
  else if (room.refused) choose.append(element('span', 'quiet', 'refused'));
  return element('li', '', choose);
}

// showMembership shows what depends on the rooms in which the user is.
function showMembership() {
  const room = rooms.current()?.name ?? 'lobby';
  showCommands({ endpoint, room, encrypt: settings.encrypt });
  suggestFrame(room);
  $('second').href = otherTab();
}

let scheduled = false;
let shown = ''; // what showMembership has shown

// roomsChanged shows the rooms. Many messages at the same time cause it only once.
function roomsChanged() {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    showRooms();
    const now = JSON.stringify(settings);
    if (now !== shown) showMembership();
    shown = now;
  });
}

$('join').onsubmit = (e) => {
  e.preventDefault();
  const name = $('room').value.trim();
  if (!name) return $('room').focus();
  $('room').value = '';
  rooms.join(name);
  closePanels();
  $('text').focus();
};
$('leave').onclick = () => {
  const room = rooms.current();
  if (room.member && !room.refused) rooms.leave(room);
  else rooms.join(room.name);
};
$('forget').onclick = () => {
  rooms.forget(rooms.current());
  $('text').focus();
};
document.addEventListener('visibilitychange', () => document.hidden || rooms.seen());

// ---- settings and panels

$('you').onsubmit = (e) => {
  e.preventDefault();
  settings.name = $('name').value.trim();
  save();
  connect();
  roomsChanged();
  announce(settings.name ? `You are now ${settings.name}.` : 'You are now anonymous.');
};
$('encrypt').onchange = () => {
  setEncryption($('encrypt').checked);
  roomsChanged();
};
$('connect').onclick = () => (client.state === 'closed' ? connect() : client.close());

const panels = { side: $('show-side'), frames: $('show-frames') };

function showPanel(name, open) {
  document.body.toggleAttribute(`data-${name}`, open);
  panels[name].setAttribute('aria-expanded', open);
  if (name === 'frames' && open) showLatestFrames();
}

const isOpen = (name) => document.body.hasAttribute(`data-${name}`);
const covered = matchMedia('(max-width: 860px)'); // panels then cover the chat

// closePanels closes the panels that cover the chat.
function closePanels() {
  if (!covered.matches) return;
  for (const name in panels) showPanel(name, false);
}

for (const [name, toggle] of Object.entries(panels)) {
  toggle.onclick = () => {
    const open = !isOpen(name);
    closePanels();
    showPanel(name, open);
    if (name === 'frames' && !covered.matches) {
      settings.frames = open;
      save();
    }
  };
}
document.addEventListener('keydown', (e) => {
  if (e.key !== 'Escape' || !covered.matches) return;
  const open = Object.keys(panels).find(isOpen);
  closePanels();
  if (open) panels[open].focus();
});
covered.addEventListener('change', closePanels);

$('name').value = settings.name;
$('encrypt').checked = settings.encrypt;
showPanel('frames', !covered.matches && (settings.frames ?? matchMedia('(min-width: 1180px)').matches));
rooms.start(roomsChanged, act);
connect();
$('text').focus();
