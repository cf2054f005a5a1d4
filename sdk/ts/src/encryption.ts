// The client's side of per-client encryption (see SECURITY.md of the server): ECDH on P-256,
// HKDF-SHA-256 and AES-256-GCM, with WebCrypto.

import type { Channel, Encryption } from './seal.js'

export type { Channel, Encryption }

/** Options of the encryption. */
export interface EncryptionOptions {
  /** The info parameter of the key derivation, if the server has its own. */
  info?: string
}

/** Seals and opens messages with a key. */
interface Sealer {
  /** Returns the text to send instead of a message. */
  seal(text: string): Promise<string>
  /** Returns the message in the data of the event `encrypted`. It rejects if it was altered. */
  open(data: unknown): Promise<string>
}

const curve = { name: 'ECDH', namedCurve: 'P-256' }
const defaultInfo = 'ignis-ecdh-p256-aes-256-gcm-v1'

/**
 * Encrypts everything after the authentication. It does not replace TLS. In browsers it requires a
 * secure context: HTTPS or localhost.
 */
export function encryption({ info = defaultInfo }: EncryptionOptions = {}): Encryption {
  return {
    async prepare() {
      if (!globalThis.crypto?.subtle) throw new Error('browsers encrypt only on pages from HTTPS or localhost')
      const pair = (await crypto.subtle.generateKey(curve, false, ['deriveBits'])) as CryptoKeyPair
      const publicKey = base64(await crypto.subtle.exportKey('raw', pair.publicKey))
      return channel(publicKey, (server, salt) => agree(pair.privateKey, bytes(server), bytes(salt), info))
    },
  }
}

/** Agrees on a key when the server accepts the client, and then lets nothing else pass. */
function channel(publicKey: string, agree: (serverPublicKey: string, salt: string) => Promise<Sealer>): Channel {
  let sealer: Sealer | undefined
  // Messages are opened and sealed one after the other, because WebCrypto does not keep their order.
  let inbox = Promise.resolve()
  let outbox = inbox
  return {
    fields: { publicKey },
    opened: (done) => void (inbox = inbox.then(done)),
    open(text, done, fail) {
      inbox = inbox.then(async () => {
        let frame: { event?: unknown; data?: { serverPublicKey?: string; salt?: string } } | null = null
        try {
          frame = JSON.parse(text)
        } catch {}
        if (sealer) {
          const opened = frame?.event === 'encrypted' ? sealer.open(frame.data) : Promise.reject()
          return opened.then(done, () => fail('protocol', 'A message was not encrypted'))
        }
        if (frame?.event === 'connected') {
          const { serverPublicKey, salt } = frame.data ?? {}
          if (!serverPublicKey || !salt) return fail('encryption_required', 'The server does not encrypt', true)
          try {
            sealer = await agree(serverPublicKey, salt)
          } catch (cause) {
            return fail('protocol', `Cannot agree on a key: ${cause}`, true)
          }
        }
        done(text)
      })
    },
    seal: (text, done) => void (outbox = outbox.then(async () => done(await sealer!.seal(text)))),
  }
}

/** @internal */
export async function agree(privateKey: CryptoKey, publicKey: Bytes, salt: Bytes, info: string): Promise<Sealer> {
  const server = await crypto.subtle.importKey('raw', publicKey, curve, false, [])
  const shared = await crypto.subtle.deriveBits({ name: 'ECDH', public: server }, privateKey, 256)
  const material = await crypto.subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey'])
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt, info: new TextEncoder().encode(info) }
  return sealer(await crypto.subtle.deriveKey(hkdf, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']))
}

function sealer(key: CryptoKey): Sealer {
  return {
    async seal(text) {
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const ct = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, new TextEncoder().encode(text))
      return JSON.stringify({ event: 'encrypted', data: { iv: base64(iv), ct: base64(ct) } })
    },
    async open(data) {
      const { iv, ct } = data as { iv: string; ct: string }
      return new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: bytes(iv) }, key, bytes(ct)))
    },
  }
}

type Bytes = Uint8Array<ArrayBuffer>

function bytes(text: string): Bytes {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
}

function base64(buffer: ArrayBuffer | Bytes): string {
  let binary = ''
  for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte)
  return btoa(binary)
}
