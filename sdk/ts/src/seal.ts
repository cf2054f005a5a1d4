// What the client needs of encryption. The implementation is in encryption.ts, so that only
// applications that use it load it.

/** Agrees on a key with the server. `encryption()` of `@ignis-go/client/encryption` returns one. */
export interface Encryption {
  /** Makes a key pair for one connection. */
  offer(): Promise<Offer>
}

export interface Offer {
  /** The public key for the data of `authenticate`. */
  readonly publicKey: string
  /** Derives the key from the data of `connected`. */
  agree(server: { serverPublicKey: string; salt: string }): Promise<Sealer>
}

/** Seals and opens the messages of one connection. */
export interface Sealer {
  /** Returns the text to send instead of a message. */
  seal(text: string): Promise<string>
  /** Returns the message in the data of the event `encrypted`. It rejects if it was altered. */
  open(data: unknown): Promise<string>
}
