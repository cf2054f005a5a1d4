import { closeCodes, type CloseCode, type ServerErrorCode } from './protocol.js'

/** The codes of errors. Those of the server are in docs/protocol.md. */
export type ErrorCode =
  | ServerErrorCode
  /** The connection was lost. If a request fails with it, the server may have carried it out. */
  | 'lost'
  /** The client is closed: by `close()`, or because the server does not want it back. */
  | 'closed'
  /** A message waited in the buffer for too long, or the session has ended. */
  | 'expired'
  /** The buffer for messages has no room. */
  | 'buffer_full'
  /** The application canceled the request. */
  | 'aborted'
  /** The server refused the credentials. */
  | 'rejected'
  /** One side requires encryption, and the other does not encrypt. */
  | 'encryption_required'
  /** The server, or this client, violated the protocol. */
  | 'protocol'
  /** The connection could not be opened. */
  | 'unreachable'

/** The error of a request, of a room, or of the connection. */
export class IgnisError extends Error {
  override readonly name = 'IgnisError'

  constructor(
    /** The code, for programs. */
    readonly code: ErrorCode,
    message: string,
    /** What a function of the application threw, for example. */
    cause?: unknown,
    /** The WebSocket close code, if the connection ended with one. */
    readonly closeCode?: number,
  ) {
    super(message, { cause })
  }
}

/** How an attempt or a connection ended. */
export interface End extends Omit<CloseCode, 'error' | 'hint'> {
  readonly error: IgnisError
}

const unreachable: CloseCode = { error: 'unreachable', hint: 'check the URL, the network and the origin' }

/** Reports what a close code means. connected tells whether there was a connection. */
export function closed(code: number, said: string | undefined, connected: unknown): End {
  const { error = 'lost', hint, ...rest } = closeCodes[code] ?? (code === 1006 && !connected ? unreachable : {})
  const message = `The connection was closed: ${code}${said ? ` "${said}"` : ''}${hint ? '; ' + hint : ''}`
  return { ...rest, error: new IgnisError(error, message, undefined, code) }
}
