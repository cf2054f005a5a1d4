// The client's side of per-client encryption. It needs only WebCrypto and runs in
// browsers, Node, Deno and Bun.

const INFO = 'ignis-ecdh-p256-aes-256-gcm-v1';
const CURVE = { name: 'ECDH', namedCurve: 'P-256' };

// offer makes a key pair. Its publicKey goes into the data of authenticate.
export async function offer() {
  const pair = await crypto.subtle.generateKey(CURVE, false, ['deriveBits']);
  return { pair, publicKey: base64(await crypto.subtle.exportKey('raw', pair.publicKey)) };
}

// agree derives the key from that pair and the data of the connected event.
export async function agree(pair, { serverPublicKey, salt }) {
  const server = await crypto.subtle.importKey('raw', bytes(serverPublicKey), CURVE, false, []);
  const shared = await crypto.subtle.deriveBits({ name: 'ECDH', public: server }, pair.privateKey, 256);
  const material = await crypto.subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey']);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: bytes(salt), info: utf8.encode(INFO) };
  return crypto.subtle.deriveKey(hkdf, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

// seal returns the text to send in place of a message's text.
export async function seal(key, text) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const ct = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, utf8.encode(text));
  return JSON.stringify({ event: 'encrypted', data: { iv: base64(iv), ct: base64(ct) } });
}

// open returns the text of the message in the data of an encrypted event. It rejects if
// the message was not sealed with the key.
export async function open(key, { iv, ct }) {
  return new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: bytes(iv) }, key, bytes(ct)));
}

const utf8 = new TextEncoder();

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function base64(buffer) {
  return btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join(''));
}
