// The rooms of the user: what was said in each, and who is typing.

import { announce, createFeed, $ } from '/dev/dom.js';
import { messageRow, senderName } from '/dev/messages.js';
import { save, settings } from '/dev/settings.js';

const KEPT = 200; // messages of each room
const TYPISTS = 20; // at most
const TYPING = 5000; // ms after which somebody is no longer considered typing

const rooms = new Map();
let client;
let changed = () => {}; // called when something about the rooms has changed
let act;

const feed = createFeed({
  list: $('messages'), scroller: $('scroll'), limit: KEPT,
  make: (item, previous) => messageRow(item, previous, act),
  onBehind: (behind) => ($('latest').hidden = !behind),
});
$('latest').onclick = () => feed.toEnd();

export const all = () => [...rooms.values()];
export const current = () => rooms.get(settings.room);
export const unread = () => all().reduce((sum, room) => sum + room.unread, 0);

// start opens the rooms in the settings. onChange is called when something about rooms has
// changed, and onAct with what the user wants to do about a message that was not delivered.
export function start(onChange, onAct) {
  changed = onChange;
  act = onAct;
  for (const { name, member } of settings.rooms) rooms.set(name, create(name, member));
  select(rooms.has(settings.room) ? settings.room : (rooms.keys().next().value ?? null));
}

function create(name, member) {
  return { name, member, items: [], unread: 0, typing: new Map(), handle: undefined, refused: undefined, lostAt: 0 };
}

function remember() {
  settings.rooms = all().map(({ name, member }) => ({ name, member }));
  save();
  changed();
}

// use opens the rooms on another client.
export function use(other) {
  client = other;
  for (const room of rooms.values()) {
    room.handle = undefined;
    room.typing.clear();
    if (room.member) open(room);
  }
}

function open(room) {
  room.refused = undefined;
  room.handle = client.room(room.name);
  room.lostAt = 0;
  room.handle.onState(({ state, previous, reason }) => {
    if (state === 'refused') {
      room.refused = reason.message;
      note(room, `You are not in ${room.name}: the server refused it (${reason.code}).`, true);
    }
    if (state === 'joined' && room.lostAt) {
      const seconds = Math.round((Date.now() - room.lostAt) / 1000);
      room.lostAt = 0;
      note(room, `You are back in ${room.name}. Messages that others sent in the ${seconds > 1 ? `${seconds} seconds` : 'second'} in between are missing here.`);
    }
    if (state === 'joining') {
      if (previous === 'joined') room.lostAt = Date.now();
      room.typing.clear();
    }
    changed();
  });
}

// join joins a room and shows it.
export function join(name) {
  const room = rooms.get(name) ?? create(name, false);
  rooms.set(name, room);
  if (!room.member || room.refused) {
    room.handle?.leave();
    room.member = true;
    open(room);
  }
  select(name);
  remember();
  return room;
}

// leave leaves a room, which stays in the list.
export function leave(room) {
  room.handle?.leave();
  room.handle = undefined;
  room.member = false;
  room.refused = undefined;
  room.typing.clear();
  note(room, `You have left ${room.name}.`);
  remember();
}

// forget removes a room from the list.
export function forget(room) {
  room.handle?.leave();
  rooms.delete(room.name);
  if (settings.room === room.name) select(rooms.keys().next().value ?? null);
  remember();
}

// select shows a room.
export function select(name) {
  settings.room = name;
  save();
  const room = current();
  if (room && !document.hidden) room.unread = 0;
  feed.show(room?.items ?? []);
  changed();
}

// seen is called when the user looks at the page.
export function seen() {
  const room = current();
  if (room?.unread) {
    room.unread = 0;
    changed();
  }
}

export function add(room, item) {
  feed.add(room.items, item);
  changed();
}

export function note(room, text, bad = false) {
  feed.add(room.items, { kind: 'note', text, bad });
  if (room === current()) announce(text);
  changed();
}

export function update(item) {
  feed.update(item);
}

export function discard(room, item) {
  const at = room.items.indexOf(item);
  if (at >= 0) room.items.splice(at, 1);
  feed.flush();
}

export const showLatest = () => feed.toEnd();

// received shows a message that has arrived.
export function received({ event, data, room: name, from }) {
  const room = rooms.get(name) ?? current();
  if (!room) return;
  const sender = senderName(from);
  if (event === 'typing' && room.name === name && from) return typing(room, from, data?.on === true);
  if (from) room.typing.delete(from.id);
  const mine = from?.id === client.id;
  if (event === 'say' && typeof data?.text === 'string' && room.name === name) {
    // The server sends the message to its sender, too.
    const waiting = mine && room.items.find((item) => item.status === 'waiting' && item.text === data.text);
    if (waiting) {
      waiting.status = 'delivered';
      update(waiting);
      return;
    }
    add(room, { kind: 'said', name: sender, mine, text: data.text, time: new Date(), status: 'delivered' });
    if (!mine) heard(room, `${sender}: ${data.text.slice(0, 200)}`);
    return;
  }
  const where = room.name === name ? '' : name === undefined ? ', not to a room' : ` in ${name}`;
  add(room, { kind: 'event', name: mine ? 'you' : sender, event, json: jsonOf(data, from), where, time: new Date() });
  if (!mine) heard(room, `Event ${event} from ${sender}.`);
}

// jsonOf returns the data of an event without the sender, which the server adds to objects for
// clients that use version 1 of the protocol.
function jsonOf(data, from) {
  if (data === undefined) return 'no data';
  const { from: added, ...rest } = Object(data);
  return JSON.stringify(from && added?.id === from.id ? rest : data);
}

// heard counts what the user has not seen, and tells users of screen readers the rest.
function heard(room, text) {
  if (room !== current() || document.hidden) room.unread++;
  else announce(text);
  changed();
}

function typing(room, from, on) {
  clearTimeout(room.typing.get(from.id)?.timer);
  room.typing.delete(from.id);
  if (on && from.id !== client.id && room.typing.size < TYPISTS) {
    const timer = setTimeout(() => {
      room.typing.delete(from.id);
      changed();
    }, TYPING);
    room.typing.set(from.id, { name: senderName(from), timer });
  }
  changed();
}

// typists says who is typing in a room.
export function typists({ typing }) {
  const names = [...new Set([...typing.values()].map(({ name }) => name))];
  if (names.length === 0) return '';
  if (names.length > 3) return `${names.length} people are typing`;
  return `${names.join(names.length === 2 ? ' and ' : ', ')} ${names.length === 1 ? 'is' : 'are'} typing`;
}
