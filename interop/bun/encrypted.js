// Runs an encrypted client of a development server, on Node or Bun. It encrypts with
// WebCrypto, with seal.js, or with the reference's ECDH class.
//
//   encrypted.js web|ecdh URL USER COUNT SEALER.js
//
// It joins the room "lobby", sends COUNT messages to it, and reports what each encrypted
// message that it receives contains. It also reports every unencrypted message.
import { copyFileSync } from 'node:fs';
import { resolve } from 'node:path';

const [, , kind, url, user, count, sealer] = process.argv;
const say = (message) => process.stdout.write(`@${JSON.stringify(message)}\n`);

// Returns the functions of seal.js, implemented with the reference's ECDH class.
async function reference() {
  const { ECDH } = await import('@venizia/ignis-helpers');
  const ecdh = ECDH.withAlgorithm();
  return {
    offer: async () => {
      const { keyPair, publicKeyB64 } = await ecdh.generateKeyPair();
      return { pair: keyPair, publicKey: publicKeyB64 };
    },
    agree: async (pair, { serverPublicKey, salt }) => {
      const peerPublicKey = await ecdh.importPublicKey({ rawKeyB64: serverPublicKey });
      return (await ecdh.deriveAESKey({ privateKey: pair.privateKey, peerPublicKey, salt })).key;
    },
    seal: async (secret, message) => JSON.stringify({ event: 'encrypted', data: await ecdh.encrypt({ message, secret }) }),
    open: (secret, message) => ecdh.decrypt({ message, secret }),
  };
}

// Imports seal.js of the page, under a name that every version of Node treats as a module.
function page() {
  const copy = resolve('seal.mjs');
  copyFileSync(sealer, copy);
  return import(copy);
}

const { offer, agree, seal, open } = await (kind === 'ecdh' ? reference() : page());
const { pair, publicKey } = await offer();
const socket = new WebSocket(url);
let key;
let inbox = Promise.resolve();

socket.onopen = () => socket.send(JSON.stringify({ event: 'authenticate', data: { userId: user, publicKey } }));
socket.onclose = ({ code, reason }) => say({ closed: code, reason });
socket.onmessage = ({ data }) => {
  inbox = inbox.then(() => receive(data)).catch((e) => say({ failed: String(e) }));
};

async function receive(text) {
  const message = JSON.parse(text);
  if (message.event === 'encrypted') {
    say({ opened: JSON.parse(await open(key, message.data)) });
  } else if (message.event === 'connected' && key === undefined) {
    key = await agree(pair, message.data);
    say({ connected: message.data.id });
    await transmit({ event: 'join', data: { rooms: ['lobby'] } });
    for (let n = 0; n < Number(count); n++) await transmit({ event: 'n', data: { room: 'lobby', n, text: 'größer' } });
  } else {
    say({ clear: text });
  }
}

async function transmit(message) {
  socket.send(await seal(key, JSON.stringify(message)));
}

process.stdin.on('data', () => {}).on('end', () => socket.close());
