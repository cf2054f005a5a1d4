// The client and the real server.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { Client } from '../dist/index.js'
import { encryption } from '../dist/encryption.js'
import { startProxy, startServer } from './support/server.mjs'

function connect(t, url, options) {
  const client = new Client(url, { WebSocket, reconnect: { minDelay: 20, maxDelay: 100, stableAfter: 100 }, ...options })
  t.after(() => client.close())
  client.connect()
  return client
}

/** Resolves with the next change of the state to this one. */
function until(client, state) {
  return new Promise((resolve) => {
    const stop = client.onState((change) => {
      if (change.state !== state) return
      stop()
      resolve(change)
    })
  })
}

function message(target, event) {
  return new Promise((resolve) => {
    const stop = target.on(event, (data, message) => {
      stop()
      resolve(message)
    })
  })
}

for (const mode of ['off', 'optional', 'required']) {
  test(`rooms, requests and messages with encryption ${mode}`, async (t) => {
    const server = await startServer(t, { args: ['--encryption', mode] })
    const options = mode === 'off' ? {} : { encryption: encryption() }
    const ann = connect(t, server.url, { token: 'ann', ...options })
    const ben = connect(t, server.url, { token: 'ben', ...options })
    const [a, b] = [ann.room('lobby'), ben.room('lobby')]
    await Promise.all([a.joined, b.joined])
    const arrives = message(b, 'say')
    assert.equal(await a.send('say', { text: 'héllo €' }), undefined)
    const { data, room, from } = await arrives
    assert.equal(data.text, 'héllo €')
    assert.deepEqual([room, from], ['lobby', { id: ann.id, userId: 'ann' }])
    await assert.rejects(ann.send('say', 1), { code: 'invalid' })
    await assert.rejects(ann.send('say', 1, { room: 'elsewhere' }), { code: 'forbidden' })
    await assert.rejects(ann.send('say', 'x'.repeat(200_000)), { code: 'too_large' })
    const received = []
    b.on('count', (data) => received.push(data))
    await Promise.all(Array.from({ length: 100 }, (_, i) => a.send('count', i)))
    await ben.send('say', { room: 'lobby' })
    assert.deepEqual(received, Array.from({ length: 100 }, (_, i) => i))
    assert.equal(ann.protocol, 2)
    assert.ok(ann.connection.heartbeat > 0)
  })
}

test('a client without encryption is told that it needs it, and does not try for ever', async (t) => {
  const server = await startServer(t, { args: ['--encryption', 'required'] })
  const client = new Client(server.url, { WebSocket })
  await assert.rejects(client.connect(), (error) => error.code === 'encryption_required' && /enable encryption in the client/.test(error.message))
  assert.equal(client.state, 'closed')
})

test('a server without encryption is refused by a client that requires it', async (t) => {
  const server = await startServer(t, { args: ['--encryption', 'off'] })
  const client = new Client(server.url, { WebSocket, encryption: encryption() })
  await assert.rejects(client.connect(), { code: 'encryption_required' })
})

test('the server answers heartbeats, so an idle connection lasts and a half-open one does not', async (t) => {
  const server = await startServer(t)
  const proxy = await startProxy(t, server)
  const client = connect(t, proxy.url, { heartbeat: 300 })
  await client.connect()
  const { id } = client
  await new Promise((resolve) => setTimeout(resolve, 1500))
  assert.equal(client.id, id)
  assert.equal(client.state, 'connected')
  proxy.stall()
  const { reason } = await until(client, 'waiting')
  assert.equal(reason.code, 'lost')
  const { missed } = await until(client, 'connected')
  assert.ok(missed)
  assert.notEqual(client.id, id)
})

test('after a restart of the server, rooms are joined and what waited is sent', async (t) => {
  const server = await startServer(t)
  const client = connect(t, server.url, { token: 'ann' })
  const lobby = client.room('lobby')
  await lobby.joined
  const waiting = until(client, 'waiting')
  await server.stop('SIGINT')
  const { reason } = await waiting
  assert.equal(reason.closeCode, 1001)
  const replies = Promise.all([1, 2, 3].map((i) => lobby.send('say', { i })))
  await startServer(t, { port: server.port })
  await replies
  assert.equal(lobby.state, 'joined')
})

test('drain: the client comes back after the time that the server named', async (t) => {
  const server = await startServer(t, { args: ['--drain-window', '2s'] })
  const client = connect(t, server.url, { token: 'ann' })
  await client.connect()
  const waiting = until(client, 'waiting')
  server.stop('SIGTERM')
  const { reason, retryAt } = await waiting
  assert.equal(reason.closeCode, 1001)
  assert.ok(retryAt >= Date.now() - 1)
})

test('a second connection while the first one lives gets the messages once', async (t) => {
  const server = await startServer(t)
  const proxy = await startProxy(t, server)
  const client = connect(t, proxy.url, { token: 'ann', heartbeat: 300 })
  const other = connect(t, server.url, { token: 'ben' })
  const [mine, theirs] = [client.room('lobby'), other.room('lobby')]
  await Promise.all([mine.joined, theirs.joined])
  const got = []
  mine.on('say', ({ i }) => got.push(i))
  proxy.stall() // the server still has the first connection when the second one begins
  await until(client, 'connected')
  await mine.joined
  const arrived = message(mine, 'say')
  await theirs.send('say', { i: 1 })
  await arrived
  assert.deepEqual(got, [1])
})

test('a slow network keeps the order', async (t) => {
  const server = await startServer(t)
  const proxy = await startProxy(t, server)
  proxy.delay = 30
  const client = connect(t, proxy.url, { token: 'ann', encryption: encryption() })
  const lobby = client.room('lobby')
  const got = []
  lobby.on('say', ({ i }) => got.push(i))
  const other = connect(t, server.url, { token: 'ben' })
  const theirs = other.room('lobby')
  await Promise.all([lobby.joined, theirs.joined])
  for (let i = 0; i < 50; i++) theirs.send('say', { i })
  const last = message(lobby, 'last')
  await theirs.send('last', {})
  await last
  assert.deepEqual(got, Array.from({ length: 50 }, (_, i) => i))
})

test('a program that closes its client ends', async (t) => {
  const server = await startServer(t)
  const { spawn } = await import('node:child_process')
  const program = `
    import { WebSocket } from 'ws'
    import { Client } from './dist/index.js'
    const client = new Client('${server.url}', { WebSocket })
    const lobby = client.room('lobby')
    client.connect()
    await lobby.joined
    lobby.send('say', {}).catch(() => {})
    client.close()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: new URL('..', import.meta.url), stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
})
