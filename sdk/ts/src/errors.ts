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
    /**
     * What the server said, unchanged: why it refused a request, a room or the login, or the reason
     * with which it closed the connection.
     */
    readonly text?: string,
    /** The code that the server sent with the text. If it refused a request or a room, `code` is the same. */
    readonly serverCode?: ServerErrorCode,
  ) {
    super(message, { cause })
  }
}

/** How an attempt or a connection ended. */
export interface End extends Omit<CloseCode, 'error' | 'hint'> {
  readonly error: IgnisError
}

const unreachable: CloseCode = { error: 'unreachable', hint: 'check the URL, the network and the origin' }

/** The data of the event `error`. */
export interface Refusal {
  readonly message?: string
  readonly code?: ServerErrorCode
}

/**
 * Reports what a close code means. connected tells whether there was a connection, and otherwise
 * refused, if the server said why.
 */
export function closed(code: number, reason: string, connected: unknown, refused?: Refusal): End {
  const { error = 'lost', hint, ...rest } = closeCodes[code] ?? (code === 1006 && !connected ? unreachable : {})
  const text = refused?.message || reason || undefined
  const message = `The connection was closed: ${code}${text ? ` "${text}"` : ''}${hint ? '; ' + hint : ''}`
  return { ...rest, error: new IgnisError(error, message, undefined, code, text, refused?.code) }
}

/** Whether the server could not decide or act, so that the same may succeed later. */
export const temporary = (error: IgnisError | undefined): boolean =>
  ['unavailable', 'rate_limited', 'timeout'].includes(error?.code!)

/** The error for a request or a room that the server refused. */
export function refusal(data: unknown): IgnisError {
  const { code, message } = (data ?? {}) as Refusal
  const known = typeof code === 'string' ? code : 'invalid'
  return new IgnisError(known, `Refused: ${message ?? known}`, undefined, undefined, message, code)
}
