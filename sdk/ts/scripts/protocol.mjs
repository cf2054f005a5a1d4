// Generates src/protocol.ts from wire/protocol.json, the table that servers and clients in all
// languages share. With --check, it only fails if the file is out of date.

import { readFileSync, writeFileSync } from 'node:fs'

const table = JSON.parse(readFileSync(new URL('../../../wire/protocol.json', import.meta.url), 'utf8'))
const target = new URL('../src/protocol.ts', import.meta.url)

const from = (...senders) => table.events.filter((event) => senders.includes(event.from))
const entries = (events) => events.map(({ name, protocol }) => `  ['${name}', ${protocol}],`).join('\n')
const codes = table.closeCodes.map(({ code, reason, ...rest }) => `  // ${reason}\n  ${code}: ${JSON.stringify(rest)},`)
const names = table.errorCodes.map((name) => `  | '${name}'`)

const text = `// Generated from wire/protocol.json by scripts/protocol.mjs. Do not edit.

/** The events that only clients send, with the version of the protocol that introduced them. */
export const clientEvents: ReadonlyMap<string, number> = /* @__PURE__ */ new Map([
${entries(from('client'))}
])

/** The events that servers send, with the version of the protocol that introduced them. */
export const serverEvents: ReadonlyMap<string, number> = /* @__PURE__ */ new Map([
${entries(from('server', 'both'))}
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
