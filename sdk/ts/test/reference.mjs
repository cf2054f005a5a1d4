// The client and the original Ignis on Bun, which speaks version 1 of the protocol. Needs redis-server,
// and the packages of the directory interop (npm ci): npm run test:reference

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { Client } from '../dist/index.js'
import { servePages, skip, startChromium } from './support/chromium.mjs'
import { interop } from './support/interop.mjs'
import { startProxy } from './support/server.mjs'
import { freePort } from './support/port.mjs'

async function startReference(t) {
  const port = await freePort()
  const redis = spawn('redis-server', ['--port', port, '--save', '', '--bind', '127.0.0.1'])
  t.after(() => redis.kill())
  for await (const line of redis.stdout) if (/Ready to accept/.test(line)) break
  redis.stdout.resume()
  const cwd = mkdtempSync(join(tmpdir(), 'reference-')) // for its logs
  const server = spawn(`${interop}/node_modules/.bin/bun`, [`${interop}/bun/server.js`], {
    cwd,
    env: { ...process.env, REDIS_PORT: port },
  })
  t.after(async () => {
    server.kill('SIGKILL')
    if (server.exitCode === null && !server.signalCode) await once(server, 'exit')
    rmSync(cwd, { recursive: true })
  })
  return new Promise((resolve, reject) => {
    server.on('exit', () => reject(new Error('the reference ended')))
    server.stdout.on('data', (text) => {
      const found = /@\{"url":"http:\/\/127\.0\.0\.1:(\d+)/.exec(text)
      if (found) resolve({ port: Number(found[1]) })
    })
  })
}

test('rooms, messages and reconnecting with the original Ignis', { timeout: 30_000 }, async (t) => {
  const server = await startReference(t)
  const proxy = await startProxy(t, server)
  const clients = ['ann', 'ben'].map((token) => new Client(proxy.url, { WebSocket, token, heartbeat: 300, reconnect: { minDelay: 10, maxDelay: 20 } }))
  t.after(() => clients.forEach((client) => client.close()))
  const errors = []
  const rooms = clients.map((client) => {
    client.onError((error) => errors.push(error))
    client.connect()
    return client.room('lobby')
  })
  await Promise.all(rooms.map(({ joined }) => joined))
  assert.deepEqual(clients.map(({ protocol, userId }) => [protocol, userId]), [[1, 'ann'], [1, 'ben']])
  for (const round of [1, 2]) {
    const got = []
    const arrived = new Promise((resolve) => rooms[1].on('say', (data, { room }) => resolve(got.push([data.text, data.from.userId, room]))))
    // Without answers, the only way to know that both have joined is to try.
    const timer = setInterval(() => rooms[0].send('say', { text: `hi ${round}` }).catch(() => {}), 50)
    t.after(() => clearInterval(timer))
    await arrived
    clearInterval(timer)
    assert.deepEqual(got[0], [`hi ${round}`, 'ann', 'lobby'])
    if (round === 2) break
    const again = clients.map((client) => new Promise((resolve) => client.onState(({ state, missed }) => state === 'connected' && resolve(missed))))
    proxy.cut()
    assert.deepEqual(await Promise.all(again), [true, true])
  }
  await new Promise((resolve) => setTimeout(resolve, 1500)) // idle: heartbeats are not answered
  assert.deepEqual(clients.map(({ state }) => state), ['connected', 'connected'])
  assert.deepEqual(errors, [])
})

test('the original Ignis refuses credentials', { timeout: 30_000 }, async (t) => {
  const { port } = await startReference(t)
  const client = new Client(`ws://127.0.0.1:${port}/ws`, { WebSocket, credentials: { refuse: true } })
  await assert.rejects(client.connect(), { code: 'rejected', closeCode: 4003 })
})

test('the page in the README chats through the original Ignis in Chromium', { timeout: 60_000, skip }, async (t) => {
  const proxy = await startProxy(t, await startReference(t))
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const page = /```html\n([\s\S]*?)```/
    .exec(readme)[1]
    .replace('http://127.0.0.1:8080/ignis.js', 'dist/ignis.js')
    .replace('ws://127.0.0.1:8080/ws', proxy.url)
  const origin = await servePages(t, page)
  const open = await startChromium(t)
  const tabs = [await open(origin, { apart: true }), await open(origin, { apart: true })]
  const write = (tab, message) =>
    tab.evaluate((message) => {
      const field = document.getElementById('text')
      field.value = message
      field.dispatchEvent(new Event('change'))
    }, message)
  const shows = (tab, message) => tab.until((message) => document.getElementById('messages').innerText.includes(message), message)
  for (const word of ['before', 'after']) {
    for (const tab of tabs) await tab.until(() => client.state === 'connected')
    // Without answers, the only way to know that both have joined is to try.
    const timer = setInterval(() => write(tabs[0], word).catch(() => {}), 100)
    t.after(() => clearInterval(timer))
    await shows(tabs[1], word)
    clearInterval(timer)
    await write(tabs[1], `${word} an answer`)
    await shows(tabs[0], `${word} an answer`)
    if (word === 'before') {
      proxy.refuse = true // the network is gone
      proxy.cut()
      for (const tab of tabs) await tab.until(() => client.state !== 'connected')
      proxy.refuse = false
    }
  }
})
