// Random calls, answers and interruptions with a fake server, and what must hold in any order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle, setup } from './support/fake.mjs'

const runs = Number(process.env.RUNS ?? 100)
const first = Number(process.env.SEED ?? Date.now() % 1_000_000)

function random(state) {
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

/** An encryption that only takes its time. */
const slow = {
  async prepare() {
    let sealer = false
    let inbox = Promise.resolve()
    let outbox = inbox
    return {
      fields: { publicKey: 'x' },
      opened: (done) => void (inbox = inbox.then(done)),
      open: (text, done) => void (inbox = inbox.then(async () => (await settle(), done(text)))),
      seal: (text, done) => void (outbox = outbox.then(async () => (await settle(), done(text)))),
    }
  },
}

for (let seed = first; seed < first + runs; seed++) {
  test(`SEED=${seed} RUNS=1`, async (t) => {
    const next = random(seed)
    const upTo = (n) => Math.floor(next() * n)
    const page = new EventTarget()
    globalThis.document = page
    t.after(() => delete globalThis.document)
    const asks = []
    let calm = false
    const s = setup(t, {
      encryption: seed % 2 ? slow : undefined,
      token: () => new Promise((resolve, reject) => asks.push({ resolve, reject })),
      buffer: { maxMessages: 1e6, maxBytes: 1e9, expiresAfter: 1e6 },
      requestTimeout: 1e6,
    })
    const { client } = s
    const members = new Map() // rooms by socket, as the server sees them
    const results = []
    const order = [] // of first transmissions
    const handles = []
    const seen = new Set()
    const pending = []

    function serve() {
      for (const socket of s.sockets) {
        const rooms = members.get(socket) ?? members.set(socket, new Set()).get(socket)
        for (const message of socket.take()) {
          if (message.event === 'join') for (const room of message.data.rooms) rooms.add(room)
          if (message.event === 'leave') for (const room of message.data.rooms) rooms.delete(room)
          if (message.event === 'say' && !seen.has(message.id)) seen.add(message.id), order.push(message.data)
          if (message.id) pending.push({ socket, message })
        }
      }
    }
    function answer({ socket, message }) {
      if (socket.readyState !== 1) return
      if (upTo(5) === 0 && !calm) {
        if (message.event === 'join') for (const room of message.data.rooms) members.get(socket).delete(room)
        return socket.receive({ event: 'error', id: message.id, data: { code: 'forbidden' } })
      }
      socket.ack(message, message.event === 'join' ? { rooms: message.data.rooms.map((room) => ({ room })) } : message.data)
    }
    const call = [
      () => client.connect(),
      () => upTo(6) || client.close(),
      () => upTo(6) || page.dispatchEvent(new Event('freeze')),
      () => page.dispatchEvent(new Event('resume')),
      () => page.dispatchEvent(new Event('visibilitychange')),
      send, send, send,
      () => handles[handles.push(client.room('abc'[upTo(3)])) - 1].onState(react),
      () => handles.splice(upTo(handles.length), 1)[0]?.leave(),
      () => asks.shift()?.resolve('x'),
      () => asks.shift()?.resolve('x'),
      () => s.socket?.readyState === 1 && s.socket.receive({ event: 'news', room: 'a' }),
      () => upTo(4) || asks.shift()?.reject(new Error('x')),
      () => s.socket?.readyState === 0 && s.socket.open(),
      () => s.socket?.readyState === 1 && s.socket.receive({ event: 'connected', data: { id: 'c', protocol: 2 } }),
      () => s.socket?.readyState < 3 && upTo(3) === 0 && s.socket.end([1006, 1001, 4003, 4005, 4007][upTo(5)]),
      () => s.socket?.readyState === 1 && upTo(6) === 0 && s.socket.receive({ event: 'expiring' }),
      () => (serve(), answer(pending.splice(upTo(pending.length), 1)[0] ?? { socket: {} })),
      () => s.clock.advance(upTo(5000)),
      accept, accept, accept,
      () => settle(),
    ]
    const quick = call.length - 5 // those before it do not wait
    async function accept() {
      for (const { resolve } of asks.splice(0)) resolve('x')
      await settle()
      if (s.socket?.readyState === 0) s.socket.open()
      if (client.state === 'connecting' && s.socket?.readyState === 1) s.socket.receive({ event: 'connected', data: { id: 'c', protocol: 2 } })
      await settle()
      serve()
      while (upTo(4) && pending.length) answer(pending.shift())
    }
    function send() {
      const abort = new AbortController()
      const result = { count: 0, number: results.length, abort }
      results.push(result)
      const done = () => result.count++
      client.send('say', result.number, { retry: upTo(2) === 0, signal: abort.signal }).then(done, done)
      if (upTo(8) === 0) results[upTo(results.length)].abort.abort()
    }
    let busy = false
    const react = () => {
      if (calm || busy || upTo(4)) return
      busy = true
      call[upTo(12)]()
      busy = false
    }
    client.onState(react)
    client.onMessage(react)
    let last = 'idle'
    client.onState(({ state, previous }) => {
      assert.equal(previous, last)
      last = state
    })
    for (let i = 0; i < 300; i++) {
      const which = upTo(call.length)
      const result = call[which]()
      if (which >= quick) await result
      else if (upTo(2)) await settle()
      assert.ok(s.sockets.filter(({ readyState }) => readyState < 2).length <= 1, 'two sockets')
    }
    calm = true
    for (let i = 0; i < 40 && !(client.state === 'connected' && i > 20); i++) {
      if (client.state === 'suspended') page.dispatchEvent(new Event('resume'))
      client.connect()
      await settle()
      for (const { resolve } of asks.splice(0)) resolve('x')
      await settle()
      if (s.socket.readyState === 0) s.socket.open()
      if (client.state === 'connecting') s.socket.receive({ event: 'connected', data: { id: 'c', protocol: 2 } })
      await s.clock.advance(10)
      for (let j = 0; j < 5; j++) await settle()
    }
    assert.equal(client.state, 'connected')
    s.socket.end(1006) // so that rooms that were refused are tried again
    await s.clock.advance(1)
    client.connect()
    await settle()
    await accept()
    for (let i = 0; i < 60; i++) {
      serve()
      for (const item of pending.splice(0)) answer(item)
      await s.clock.advance(1)
    }
    assert.equal(last, 'connected')
    assert.deepEqual([...members.get(s.socket)].sort(), [...new Set(handles.map(({ name }) => name))].sort())
    for (const { state } of handles) assert.equal(state, 'joined')
    assert.deepEqual(results.filter(({ count }) => count !== 1).map(({ number }) => number), [])
    assert.deepEqual(order, [...order].sort((a, b) => a - b))
    assert.deepEqual(s.errors.filter(({ code }) => code === 'internal' || code === 'protocol'), [])
  })
}
