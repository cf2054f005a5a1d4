import { closeCodes, type ServerErrorCode } from './protocol.js'

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
    /** The cause is what a function of the application threw. */
    options?: { cause?: unknown },
    /** The WebSocket close code, if the connection ended with one. */
    readonly closeCode?: number,
  ) {
    super(message, options)
  }
}

/** How an attempt or a connection ended, and what that means for the next attempt. */
export interface End {
  readonly error: IgnisError
  /** Connecting again cannot help. */
  readonly final?: boolean
  /** The server refused the credentials. */
  readonly refused?: boolean
  /** Connecting again can help only with other credentials. */
  readonly credentials?: boolean
  /** The server asked to wait for at least this time, in milliseconds. */
  readonly after?: number
}

/** The codes of errors for close codes. Other close codes mean that the connection was lost. */
const closeErrors: Readonly<Record<number, ErrorCode>> = {
  1001: 'unavailable',
  1009: 'too_large',
  1013: 'unavailable',
  4001: 'timeout',
  4003: 'rejected',
  4004: 'encryption_required',
  4005: 'expired',
  4006: 'closed',
  4007: 'rate_limited',
  4008: 'rate_limited',
}

/** Reports what a close code means. said is what the server said before it closed. */
export function closed(code: number, reason: string, connected: boolean, said: string): End {
  const known = closeCodes[code]
  // RFC 6455: the client is at fault and would make the same mistake again.
  const fault = code === 1002 || code === 1003 || (code >= 1007 && code <= 1010)
  if (!known && !fault && !connected) {
    const text = 'Cannot connect: check the address, the network, and whether the server accepts this origin'
    return { error: new IgnisError('unreachable', text + saying(said), undefined, code) }
  }
  const hint = known?.hint ?? (code === 1009 ? 'a message was larger than the server accepts' : '')
  const text = code === 1006 ? 'The connection was lost' : `The server closed the connection: ${code}${saying(reason || said)}`
  return {
    error: new IgnisError(closeErrors[code] ?? (fault ? 'protocol' : 'lost'), text + (hint && ` (${hint})`), undefined, code),
    final: fault || (!!known && !known.reconnect && !known.credentials),
    refused: !!known?.credentials && !known.reconnect,
    credentials: !!known?.credentials,
    after: known?.afterMillis ?? 0,
  }
}

function saying(text: string): string {
  return text && ` "${text}"`
}
