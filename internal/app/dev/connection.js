// The connection of the page, and what it says about it.

import { FrameSocket, showPlain } from '/dev/frames.js';

// endpoint is the address of the server.
export const endpoint = new URL(document.body.dataset.path, location.href.replace(/^http/, 'ws')).href;

// createClient returns a client for the settings.
export function createClient({ name, encrypt }) {
  return new Ignis.Client(endpoint, {
    credentials: name ? { userId: name } : {},
    encryption: encrypt ? showPlain(Ignis.encryption()) : undefined,
    software: { name: 'ignis development page' },
    reconnect: { minDelay: 500, maxDelay: 5000 },
    WebSocket: FrameSocket,
  });
}

// explained says in words why a connection or an attempt ended.
export function explained({ code, closeCode, message }) {
  switch (true) {
    case code === 'unreachable' && closeCode === 1006:
      return `No server answers at ${endpoint}. Is it still running?`;
    case closeCode === 1001:
      return 'The server is shutting down (close code 1001).';
    case closeCode === 1006:
      return 'The connection was lost without a close frame (close code 1006).';
    case closeCode === 1013:
      return 'The server has no room for another connection at the moment (close code 1013).';
    default:
      return `${message}.`;
  }
}

// advice returns what to show for the state of the client: a title, a text, and the way on. It
// returns undefined if there is nothing to say.
export function advice({ state, reason }, { encrypt, reconnecting }) {
  const retry = { action: 'Connect now', then: 'connect' };
  switch (state) {
    case 'waiting':
      return { title: 'Connection lost.', text: reason ? explained(reason) : '', ...retry };
    case 'connecting':
      return reconnecting && { title: 'Connecting again…', text: '', ...retry, action: '' };
    case 'suspended':
      return { title: 'Paused.', text: 'The browser has stopped this page.', ...retry, action: '' };
    case 'closed':
      break;
    default:
      return undefined;
  }
  if (reason?.code === 'encryption_required' && encrypt) {
    return { title: 'The server does not encrypt.', text: 'It was started without --encryption, and this tab wants to encrypt its messages.', action: 'Turn encryption off', then: 'plain' };
  }
  if (reason?.code === 'encryption_required') {
    return { title: 'The server requires encryption.', text: 'It was started with --encryption required, and refused this tab, which does not encrypt its messages (close code 4004).', action: 'Turn encryption on', then: 'encrypt' };
  }
  const byUser = reason?.code === 'closed' && !reason.closeCode;
  return { title: 'Not connected.', text: reason && !byUser ? explained(reason) : 'You have disconnected.', action: 'Connect', then: 'connect' };
}

// summary returns the state of the client in a few words.
export function summary({ state, name, encrypted }) {
  switch (state) {
    case 'connected':
      return `${name ? `Connected as ${name}` : 'Connected, anonymous'}${encrypted ? ', encrypted' : ''}`;
    case 'connecting':
      return 'Connecting…';
    case 'waiting':
      return 'Connection lost';
    case 'suspended':
      return 'Paused';
    default:
      return 'Not connected';
  }
}
