import type { IgnisError } from './errors.js'
import type { Encryption } from './seal.js'

/**
 * The state of a client:
 *
 * - `idle`: not asked to connect yet
 * - `connecting`: from asking for the credentials until the server has accepted them
 * - `connected`: messages can be sent and arrive
 * - `waiting`: not connected; the next attempt follows
 * - `suspended`: not connected while the page is frozen or in the back/forward cache
 * - `closed`: by `close()`, or because connecting again cannot help
 */
export type State = 'idle' | 'connecting' | 'connected' | 'waiting' | 'suspended' | 'closed'

/** A change of the state of a client. */
export interface StateChange {
  readonly state: State
  readonly previous: State
  /** Why the connection or the attempt ended. */
  readonly reason?: IgnisError
  /** In `waiting`, when the next attempt begins, in milliseconds since 1970. */
  readonly retryAt?: number
  /** In `connected`, whether there was a connection before, so that messages may have been missed. */
  readonly missed?: boolean
}

/**
 * The state of a room: `joined`, or `joining` while waiting for the server or the connection,
 * `refused` by the server, or `left` by this handle.
 */
export type RoomState = 'joining' | 'joined' | 'refused' | 'left'

/** A change of the state of a room. */
export interface RoomStateChange {
  readonly state: RoomState
  readonly previous: RoomState
  /**
   * Why the server refused the client. In `joining`, why it could not decide, so that the client asks
   * again.
   */
  readonly reason?: IgnisError
}

/** A message of the application. */
export interface Message<Data = unknown> {
  readonly event: string
  readonly data: Data
  /** The room to which it was sent. */
  readonly room?: string | undefined
  /** The client that sent it, as the server knows it. */
  readonly from?: Sender | undefined
}

/** A client that sent a message. */
export interface Sender {
  readonly id: string
  readonly userId?: string
}

/** The data of the event `connected`. The optional fields depend on the server. */
export interface Connected {
  /** The ID that the server assigned to this client. */
  readonly id: string
  /** The user; absent if the client is anonymous. */
  readonly userId?: string
  /** The time on the server's clock. */
  readonly time: string
  readonly protocol?: number
  /** When the session ends, on the server's clock. It is updated after a refresh. */
  readonly expires?: string
  /** Milliseconds without a message after which the server closes the connection. */
  readonly heartbeat?: number
  /** The maximum size of a message in bytes. */
  readonly maxPayload?: number
  /** The product and version of the server. */
  readonly server?: string
  readonly serverPublicKey?: string
  readonly salt?: string
}

/** Asks the application for credentials. */
export interface Ask {
  /**
   * `connect` before each attempt, `refresh` before the session ends, and `rejected` if the
   * server no longer accepts the previous credentials.
   */
  readonly reason: 'connect' | 'refresh' | 'rejected'
  /** Aborted when the answer is no longer needed. */
  readonly signal: AbortSignal
}

/** A value, or a function that returns it each time that it is needed. */
export type Provided<T> = T | ((ask: Ask) => T | Promise<T>)

/** Options of a client. */
export interface Options {
  /** A token, which is sent as `{type: 'Bearer', token}`. */
  token?: Provided<string>
  /** All data of the event `authenticate`, instead of `token`. */
  credentials?: Provided<object>
  /** Encrypts all messages; from `@ignis-go/client/encryption`. */
  encryption?: Encryption
  /** The program, for the statistics of the server. At most 64 characters each. */
  software?: { name: string; version?: string }
  /** Milliseconds within which a broken connection is noticed (30,000). */
  heartbeat?: number
  /** Milliseconds for an attempt to connect, including the call for the credentials (15,000). */
  connectTimeout?: number
  /** Milliseconds to wait for the answer to a request (10,000). */
  requestTimeout?: number
  /** Delays between attempts, or false to connect only once. */
  reconnect?: ReconnectOptions | false
  /** The buffer for messages while there is no connection. */
  buffer?: BufferOptions
  /** The WebSocket class, where there is no global one, as in Node.js 20. */
  WebSocket?: WebSocketClass
  /** Follow the life of the page, where there is one (true). */
  page?: boolean
}

/** Delays between attempts to connect, in milliseconds. */
export interface ReconnectOptions {
  /** The upper limit of the first, random delay (500). It doubles with each further attempt. */
  minDelay?: number
  /** The upper limit of all delays (30,000). */
  maxDelay?: number
  /** How long a connection must last before delays begin with minDelay again (10,000). */
  stableAfter?: number
}

/** The buffer for messages while there is no connection. */
export interface BufferOptions {
  /** The maximum number of messages (100). */
  maxMessages?: number
  /** The maximum size of all messages in bytes (262,144). */
  maxBytes?: number
  /** Milliseconds that a message may wait (30,000). */
  expiresAfter?: number
  /** What to reject if the buffer is full: the new message, or the oldest ones. */
  policy?: 'reject' | 'drop-oldest'
}

/** Options of a message. */
export interface SendOptions {
  /** The room to send to, without joining it. `Room.send` sets it. */
  room?: string
  /** Milliseconds to wait for the answer, instead of `requestTimeout`. */
  timeout?: number
  /** Milliseconds to wait for a connection, instead of `buffer.expiresAfter`. */
  expiresAfter?: number
  /** Cancels the request. If it was already sent, the server may carry it out. */
  signal?: AbortSignal
  /** Drop the message if it cannot be sent immediately, and do not wait for an answer. */
  volatile?: boolean
  /**
   * Send the message again if the connection ends before the answer. The server may then carry it
   * out twice, unless it recognizes the id of the message.
   */
  retry?: boolean
}

/** The arguments after the name of the event: the data can be omitted if its type allows it. */
export type SendArguments<Data> = undefined extends Data
  ? [data?: Data, options?: SendOptions]
  : [data: Data, options?: SendOptions]

/** The names of events. */
export type EventName<Events> = keyof Events & string

/** What the client needs of a WebSocket. */
export interface WebSocketLike {
  readonly readyState: number
  readonly bufferedAmount: number
  onopen: ((event: never) => unknown) | null
  onmessage: ((event: never) => unknown) | null
  onerror: ((event: never) => unknown) | null
  onclose: ((event: never) => unknown) | null
  send(text: string): void
  close(code?: number): void
}

export type WebSocketClass = new (url: string) => WebSocketLike
