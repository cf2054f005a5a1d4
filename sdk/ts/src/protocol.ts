// Generated from wire/protocol.json by scripts/protocol.mjs. Do not edit.

/** The events that only clients send, with the version of the protocol that introduced them. */
export const clientEvents: ReadonlyMap<string, number> = /* @__PURE__ */ new Map([
  ['authenticate', 1],
  ['join', 1],
  ['leave', 1],
  ['heartbeat', 1],
  ['refresh', 2],
])

/** The events that servers send, with the version of the protocol that introduced them. */
export const serverEvents: ReadonlyMap<string, number> = /* @__PURE__ */ new Map([
  ['connected', 1],
  ['disconnect', 1],
  ['error', 1],
  ['encrypted', 1],
  ['ack', 2],
  ['expiring', 2],
  ['draining', 2],
])

export interface CloseCode {
  /** Whether connecting again can help. */
  readonly reconnect: boolean
  /** Whether connecting again requires other credentials. */
  readonly credentials?: boolean
  /** The minimum time in milliseconds before connecting again. */
  readonly afterMillis?: number
  readonly hint: string
}

/** The close codes of the protocol. */
export const closeCodes: Readonly<Record<number, CloseCode>> = {
  // Server shutting down
  1001: {"reconnect":true,"hint":"reconnect, to another instance if there is one"},
  // Try again later
  1013: {"reconnect":true,"afterMillis":5000,"hint":"the server has reached one of its limits, or cannot authenticate clients at the moment; reconnect later"},
  // Authentication timeout
  4001: {"reconnect":true,"hint":"authentication took too long; try again later"},
  // Heartbeat timeout
  4002: {"reconnect":true,"hint":"no heartbeat arrived in time"},
  // Authentication failed
  4003: {"reconnect":false,"credentials":true,"hint":"check the credentials: the token, its expiry and the user"},
  // Encryption required
  4004: {"reconnect":false,"hint":"the server requires encryption, but no key was agreed on; enable encryption in the client"},
  // Session expired
  4005: {"reconnect":true,"credentials":true,"hint":"reconnect with new credentials"},
  // Disconnected by the server
  4006: {"reconnect":false,"hint":"the application has closed the connection"},
  // Too many messages
  4007: {"reconnect":true,"afterMillis":5000,"hint":"the client sent more messages than the server accepts; send fewer"},
  // Too many connections
  4008: {"reconnect":true,"afterMillis":30000,"hint":"the user or the address has too many connections"},
}

/** The codes of errors that the server sends. */
export type ServerErrorCode =
  | 'invalid'
  | 'forbidden'
  | 'unknown_event'
  | 'not_found'
  | 'too_large'
  | 'rate_limited'
  | 'unavailable'
  | 'timeout'
  | 'internal'
