// Generated from wire/protocol.json by scripts/protocol.mjs. Do not edit.

import type { ErrorCode } from './errors.js'

/** The events that servers send, by the version of the protocol that introduced them. */
export const serverEvents = [['connected', 'disconnect', 'error', 'encrypted'], ['ack', 'expiring', 'draining']]

export interface CloseCode {
  /** The code of the error. */
  readonly error?: ErrorCode
  /** Connecting again does not help. */
  readonly final?: boolean
  /** Connecting again requires other credentials, and helps then even if the code is final. */
  readonly credentials?: boolean
  /** The minimum time in milliseconds before connecting again. */
  readonly after?: number
  /** What to do, if the code is final. */
  readonly hint?: string
}

/** The close codes, of the protocol and of RFC 6455, after which it is not enough to connect again. */
export const closeCodes: { readonly [code: number]: CloseCode } = {
  1013: { error: 'unavailable', after: 5000 },
  4003: { error: 'rejected', final: true, credentials: true, hint: 'check the credentials' },
  4004: { error: 'encryption_required', final: true, hint: 'enable encryption in the client' },
  4005: { error: 'expired', credentials: true },
  4006: { error: 'closed', final: true },
  4007: { error: 'rate_limited', after: 5000 },
  4008: { error: 'rate_limited', after: 30000 },
  1002: { error: 'protocol', final: true },
  1003: { error: 'protocol', final: true },
  1007: { error: 'protocol', final: true },
  1008: { error: 'protocol', final: true },
  1009: { error: 'too_large', final: true },
  1010: { error: 'protocol', final: true },
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
