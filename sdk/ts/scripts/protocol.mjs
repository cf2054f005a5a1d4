// Generates src/protocol.ts from wire/protocol.json, the table that servers and clients in all
// languages share. With --check, it only fails if the file is out of date.

import { readFileSync, writeFileSync } from 'node:fs'

const table = JSON.parse(readFileSync(new URL('../../../wire/protocol.json', import.meta.url), 'utf8'))
const target = new URL('../src/protocol.ts', import.meta.url)

const events = (version) =>
  table.events.filter(({ from, protocol }) => from !== 'client' && protocol === version).map(({ name }) => `'${name}'`).join(', ')
// The codes of errors for close codes. The others mean that the connection was lost.
const errors = {
  1013: 'unavailable',
  4003: 'rejected',
  4004: 'encryption_required',
  4005: 'expired',
  4006: 'closed',
  4007: 'rate_limited',
  4008: 'rate_limited',
}
const codes = table.closeCodes
  .map(({ code, reconnect, credentials, afterMillis, hint }) => {
    // If the client reconnects by itself, or if the application wants it closed, nobody needs a hint.
    const fields = Object.entries({ error: errors[code], final: !reconnect, credentials, after: afterMillis, hint: !reconnect && errors[code] !== 'closed' && hint.split('; ').at(-1).split(':')[0] })
    return [code, fields.filter(([, value]) => value).map(([name, value]) => `${name}: ${typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : value}`)]
  })
  .filter(([, fields]) => fields.length > 0)
  // RFC 6455: the client is at fault, and would make the same mistake again.
  .concat([1002, 1003, 1007, 1008, 1009, 1010].map((code) => [code, [`error: '${code === 1009 ? 'too_large' : 'protocol'}'`, 'final: true']]))
  .map(([code, fields]) => `  ${code}: { ${fields.join(', ')} },`)
const names = table.errorCodes.map((name) => `  | '${name}'`)

const text = `// Generated from wire/protocol.json by scripts/protocol.mjs. Do not edit.

import type { ErrorCode } from './errors.js'

/** The events that servers send, by the version of the protocol that introduced them. */
export const serverEvents = [[${events(1)}], [${events(2)}]]

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
${codes.join('\n')}
}

/** The codes of errors that the server sends. */
export type ServerErrorCode =
${names.join('\n')}
`

if (!process.argv.includes('--check')) {
  writeFileSync(target, text)
} else if (readFileSync(target, 'utf8') !== text) {
  console.error('src/protocol.ts does not match wire/protocol.json: run npm run protocol')
  process.exit(1)
}
