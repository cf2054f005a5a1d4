// Compiles the samples in docs/browser.md, and runs the one about messages that must not be lost.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { compile } from 'svelte/compiler'
import { Client } from '../dist/index.js'
import { fakeServer, settle } from './support/automatic.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, '../../docs/browser.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text }))

// What samples use that others declare.
const prelude = `
import { Client } from '@ignis-go/client'
declare const client: Client<{ say: { text: string; id?: string }; quote: string }>
declare const lobby: ReturnType<typeof client.room>
`

test('the samples in TypeScript compile', (t) => {
  const folder = mkdtempSync(join(root, 'docs-')) // inside the package, so that it can import itself
  t.after(() => rmSync(folder, { recursive: true }))
  let count = 0
  for (const { language, text } of blocks) {
    if (language !== 'ts' && language !== 'tsx') continue
    const declared = /const client\b/.test(text) ? '' : text.includes('const lobby') ? prelude.replace(/.*const lobby.*/, '') : prelude
    writeFileSync(join(folder, `${count++}.${language}`), declared + text + 'export {}\n')
  }
  assert.ok(count > 5, `${count} samples`)
  const options = { target: 'es2022', module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx', strict: true, noEmit: true, skipLibCheck: true, lib: ['es2022', 'dom', 'dom.iterable'], types: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*'] }))
  const { status, stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the sample for Svelte compiles', () => {
  const { text } = blocks.find(({ language }) => language === 'svelte')
  assert.deepEqual(compile(text, { generate: 'client' }).warnings.map(({ message }) => message), [])
})

test('messages that must not be lost are shown once, in whichever way they arrive', async (t) => {
  const { text } = blocks.find(({ text }) => text.includes('const seen'))
  const stored = new Map() // what the webhook has stored, by ID
  const server = fakeServer()
  const relay = (line) => server.emit({ event: 'say', data: line, room: 'lobby' })
  let lose = true
  server.answer = ({ data }) => {
    stored.set(data.id, data)
    relay(data)
    if (!lose) return { event: 'ack' }
    lose = false // the connection, before the answer
    server.drop()
    stored.set('m2', { id: 'm2', text: 'said meanwhile' })
    return undefined
  }
  const shown = []
  const client = new Client('ws://fake', { WebSocket: server.WebSocket, reconnect: { minDelay: 1, maxDelay: 1 } })
  t.after(() => client.close())
  const scope = {
    client,
    lobby: client.room('lobby'),
    fetch: async () => ({ json: async () => [...stored.values()] }),
    crypto: { randomUUID: () => 'm1' },
    console: { log: (line) => shown.push(line) },
  }
  await client.connect()
  const { code } = await transform(`async function run() {${text}}`, { loader: 'ts' })
  await new Function(...Object.keys(scope), code + 'return run()')(...Object.values(scope))
  await settle()
  stored.set('m3', { id: 'm3', text: 'both loaded and received' })
  relay({ id: 'm3', text: 'both loaded and received' })
  relay({ id: 'm4', text: 'received' })
  await settle()
  assert.equal(server.sent('say').length, 2, 'sent again')
  assert.deepEqual(shown.sort(), ['both loaded and received', 'hello', 'received', 'said meanwhile'])
})
