// A thousand forced disconnects at random moments.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { Client } from '../dist/index.js'
import { encryption } from '../dist/encryption.js'
import { startProxy, startServer } from './support/server.mjs'

const disconnects = Number(process.env.DISCONNECTS ?? 1000)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)

/** Random numbers that depend on the seed only (mulberry32). */
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

test(`${disconnects} forced disconnects (SEED=${seed})`, async (t) => {
  const next = random(seed)
  const upTo = (n) => Math.floor(next() * n)
  const server = await startServer(t)
  const proxy = await startProxy(t, server)
  const before = resources()
  const clients = [undefined, encryption()].map((encryption, i) => {
    const client = new Client(proxy.url, {
      WebSocket,
      encryption,
      token: () => pause(upTo(3)).then(() => `user${i}`),
      reconnect: { minDelay: 2, maxDelay: 8, stableAfter: 50 },
      heartbeat: 900,
      connectTimeout: 2000,
      buffer: { maxMessages: 1_000_000, maxBytes: 1e9 },
    })
    const unexpected = []
    client.onError((error) => unexpected.push(error))
    client.connect()
    return { client, unexpected, rooms: new Map(), requests: [], seen: new Map(), duplicates: 0, connections: 0 }
  })
  for (const c of clients) {
    c.client.onState(({ state }) => state === 'connected' && c.connections++)
    c.client.on('number', ({ n }) => {
      c.duplicates += c.seen.has(n) ? 1 : 0
      c.seen.set(n, true)
    })
  }

  // Somebody with a stable connection, who sends each number to a room once.
  const publisher = new Client(server.url, { WebSocket, token: 'publisher' })
  const names = ['a', 'b', 'c', 'd', 'e']
  await publisher.connect()
  await Promise.all(names.map((name) => publisher.room(name).joined))
  let n = 0
  const publish = (room) => publisher.send('number', { n: n++ }, { room })

  function step({ client, rooms, requests }) {
    const name = names[upTo(names.length)]
    const handles = rooms.get(name) ?? []
    rooms.set(name, handles)
    if (handles.length === 0 || next() < 0.1) handles.push(client.room(name))
    else if (next() < 0.1) handles.pop().leave()
    const result = { count: 0 }
    const options = [{}, { retry: true }, { timeout: 1 + upTo(20) }, { expiresAfter: 1 + upTo(20) }, { volatile: true }][upTo(5)]
    const end = (code) => (result.count++, (result.code = code))
    client.send('say', { text: 'x'.repeat(upTo(2000)) }, { room: name, ...options }).then(() => end('ok'), ({ code }) => end(code))
    requests.push(result)
  }

  for (let cuts = 0; cuts < disconnects; ) {
    for (let i = upTo(4); i > 0; i--) for (const c of clients) step(c)
    for (let i = upTo(10); i > 0; i--) {
      await pause(upTo(8))
      publish(names[upTo(names.length)]).catch(() => {})
    }
    if (proxy.count() === 0) continue
    cuts += proxy.count()
    if (next() < 0.002) proxy.stall()
    else proxy.cut()
  }

  for (const c of clients) {
    await c.client.connect()
    for (const name of names) if (!c.rooms.get(name)?.length) c.rooms.set(name, [c.client.room(name)])
    await Promise.all([...c.rooms.values()].flat().map((handle) => handle.joined))
  }
  // Everything sent before the answer to this request has been answered, too.
  for (const c of clients) await c.client.send('say', {}, { room: 'a', retry: true, timeout: 60_000 })
  await pause(50)

  for (const [i, c] of clients.entries()) {
    const codes = {}
    for (const { code } of c.requests) codes[code] = (codes[code] ?? 0) + 1
    t.diagnostic(`client ${i}: ${c.connections} connections, requests ${JSON.stringify(codes)}, ${c.seen.size} of ${n} messages`)
    assert.deepEqual(c.requests.filter(({ count }) => count !== 1), [], 'requests that did not end exactly once')
    for (const code of Object.keys(codes)) assert.ok(['ok', 'lost', 'timeout', 'expired', 'forbidden'].includes(code), code)
    assert.equal(c.duplicates, 0, 'messages that a listener got twice')
    assert.deepEqual(c.unexpected, [])
    assert.ok(c.connections > 10)
  }

  // The server agrees about the rooms: each message arrives, once for each handle.
  for (const c of clients) {
    for (const [name, handles] of c.rooms) {
      let calls = 0
      const stops = handles.map((handle) => handle.on('number', () => calls++))
      await publish(name)
      await c.client.send('say', {}, { room: name })
      assert.equal(calls, handles.length, `messages in room ${name}`)
      for (const stop of stops) stop()
    }
  }

  for (const { client } of [...clients, { client: publisher }]) client.close()
  for (let i = 0; i < 100 && resources() !== before; i++) await pause(20)
  assert.equal(resources(), before, 'timers or sockets are left')
})

/** The timers and sockets of this process. */
function resources() {
  const names = process.getActiveResourcesInfo().filter((name) => /Timeout|TCPSocketWrap|Immediate/.test(name))
  return names.sort().join()
}
