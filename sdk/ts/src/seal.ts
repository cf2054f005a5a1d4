// What the client needs of encryption. The implementation is in encryption.ts, so that only
// applications that use it load it.

import type { ErrorCode } from './errors.js'

/** Encrypts connections. `encryption()` of `@ignis-go/client/encryption` returns one. */
export interface Encryption {
  /** Prepares one connection. */
  prepare(): Promise<Channel>
}

/** Seals and opens the messages of one connection, and keeps their order. */
export interface Channel {
  /** What to add to the data of `authenticate`. */
  readonly fields: { readonly publicKey: string }
  /**
   * Opens a message that arrived and passes it on, or reports that the server does not do what the
   * encryption requires.
   */
  open(text: string, done: (text: string) => void, fail: (code: ErrorCode, message: string, final?: boolean) => void): void
  /** Calls done after the messages that arrived before. */
  opened(done: () => void): void
  /** Seals a message and passes it on. */
  seal(text: string, done: (text: string) => void): void
}
