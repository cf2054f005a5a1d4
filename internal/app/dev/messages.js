// How messages look. An item is a message that was said, another event, or a note of this page.

import { button, clipped, clock, coloured, element, hue } from '/dev/dom.js';

const LONGEST = 5000; // characters shown of a message
const TOGETHER = 120_000; // ms within which messages of one sender are shown together

// messageRow returns the element for an item. act is called with what the user wants to do about
// a message that was not delivered.
export function messageRow(item, previous, act) {
  switch (item.kind) {
    case 'said':
      return said(item, previous, act);
    case 'event':
      return event(item);
    default:
      return element('li', `note ${item.bad ? 'bad' : ''}`, item.text);
  }
}

// senderName returns what to call the sender of a message.
export function senderName(from) {
  if (!from) return 'a program';
  return clipped(from.userId ?? `anonymous ${from.id.slice(0, 4)}`, 64);
}

function said(item, previous, act) {
  const { name, mine, text, time, status } = item;
  const follows = previous?.kind === 'said' && previous.name === name && previous.mine === mine && time - previous.time < TOGETHER;
  const face = element('span', 'face', [...name][0]?.toUpperCase() ?? '?');
  face.setAttribute('aria-hidden', 'true');
  face.style.setProperty('--hue', hue(name));
  const who = element('p', 'who', element('bdi', '', mine ? 'You' : name), ' ', element('time', '', clock(time)));
  const body = element('div', 'body', clipped(text, LONGEST));
  body.dir = 'auto';
  const row = element('li', `said ${mine ? 'mine' : ''} ${follows ? 'follows' : ''} ${status}`, face, who, body);
  if (status === 'waiting') row.append(element('p', 'status', item.connected ? 'sending…' : 'waiting for the connection'));
  if (status === 'failed') row.append(failure(item, act));
  return row;
}

function failure(item, act) {
  const actions = item.joinFirst ? button(`Join ${clipped(item.room, 30)} and send`, () => act(item, 'join')) : button('Send again', () => act(item, 'again'));
  return element('div', 'status', element('p', '', `Not delivered: ${item.reason}`), actions, ' ', button('Discard', () => act(item, 'discard')));
}

function event({ name, event, json, where, time }) {
  const face = element('span', 'face', '⚡');
  face.setAttribute('aria-hidden', 'true');
  const who = element('p', 'who', 'event ', element('bdi', '', clipped(event, 64)), ` from ${name}${where} `, element('time', '', clock(time)));
  const body = element('div', 'body');
  body.append(...coloured(clipped(json, LONGEST)));
  return element('li', 'event', face, who, body);
}
