// The client's side of per-client encryption (see SECURITY.md of the server): ECDH on P-256,
// HKDF-SHA-256 and AES-256-GCM, with WebCrypto.

import type { Encryption, Offer, Sealer } from './seal.js'

export type { Encryption, Offer, Sealer }

/** Options of the encryption. */
export interface EncryptionOptions {
  /** The info parameter of the key derivation, if the server has its own. */
  info?: string
}

const curve = { name: 'ECDH', namedCurve: 'P-256' }
const defaultInfo = 'ignis-ecdh-p256-aes-256-gcm-v1'

/**
 * Encrypts everything after the authentication. It does not replace TLS. In browsers it requires a
 * secure context: HTTPS or localhost.
 */
export function encryption({ info = defaultInfo }: EncryptionOptions = {}): Encryption {
  return {
    async offer() {
      if (!globalThis.crypto?.subtle) {
        throw new Error('there is no WebCrypto here; browsers have it only on pages loaded over HTTPS or from localhost')
      }
      const pair = (await crypto.subtle.generateKey(curve, false, ['deriveBits'])) as CryptoKeyPair
      return {
        publicKey: base64(await crypto.subtle.exportKey('raw', pair.publicKey)),
        agree: ({ serverPublicKey, salt }) => agree(pair.privateKey, bytes(serverPublicKey), bytes(salt), info),
      }
    },
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
