// Servers that lie, options that are not sensible, and applications that throw anything.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcome, settle, setup } from './support/fake.mjs'

const states = (changes) => changes.map(({ state }) => state)

test('answers of the wrong shape end the connection as a violation, and leave nothing behind', async (t) => {
  const unprintable = { toString: 1, valueOf: 1 }
  const cases = {
    'rooms is an object': { event: 'ack', data: { rooms: {} } },
    'rooms is a text': { event: 'ack', data: { rooms: 'lobby' } },
    'a room is null': { event: 'ack', data: { rooms: [null] } },
    'refused is an object': { event: 'ack', data: { rooms: [], refused: {} } },
    'the message of an error is an object': { event: 'error', data: { code: 'forbidden', message: unprintable } },
  }
  for (const [name, answer] of Object.entries(cases)) {
    await t.test(name, async (t) => {
      const s = setup(t)
      const lobby = s.client.room('lobby')
      const socket = await s.connect()
      const waiting = outcome(s.client.send('a'))
      const [join] = socket.take()
      socket.receive({ ...answer, id: join.id })
      await settle()
      assert.equal(s.states.at(-1).reason?.code, 'protocol')
      assert.equal(waiting.code, 'lost')
      await s.clock.advance(600)
      const next = await s.accept()
      const [again] = next.take()
      next.ack(again, { rooms: [{ room: 'lobby' }] })
      assert.equal(lobby.state, 'joined')
    })
  }
})

test('errors of the wrong shape have a code and a message all the same', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  for (const data of [undefined, null, 5, 'x', [], {}, { code: null }, { code: 5, message: 6 }, { code: {}, message: [] }, JSON.parse('{"__proto__":{"code":1}}')]) {
    const result = outcome(s.client.send('a'))
    socket.receive({ event: 'error', id: socket.take()[0].id, data })
    await settle()
    assert.equal(result.code, 'invalid', JSON.stringify(data))
    assert.match(result.error.message, /^Refused: (invalid|6|)$/)
  }
  assert.equal(s.client.state, 'connected')
})

test('a second connected changes nothing', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  socket.receive({ event: 'connected', data: { id: 'other', protocol: 1, maxPayload: 1 } })
  assert.deepEqual([s.client.id, s.client.protocol], ['c1', 2])
  assert.deepEqual(states(s.states), ['connecting', 'connected'])
  assert.equal((s.client.send('a').catch(() => {}), socket.take()[0].event), 'a')
})

test('limits that make no sense are ignored', async (t) => {
  for (const value of [null, 0, -1, 'x', {}, [], false]) {
    await t.test(JSON.stringify(value), async (t) => {
      const s = setup(t)
      const socket = await s.connect({ heartbeat: value, maxPayload: value })
      s.client.send('a').catch(() => {})
      assert.equal(socket.take().length, 1)
      await s.clock.advance(15_000)
      assert.equal(socket.sent.length, 1, 'one heartbeat in 15 s')
    })
  }
})

test('a retryAfter that makes no sense leaves the usual delay', async (t) => {
  t.mock.method(Math, 'random', () => 0.5)
  for (const value of [undefined, null, 0, -1, -1e12, 'x', {}, [], false]) {
    await t.test(JSON.stringify(value) ?? 'undefined', async (t) => {
      const s = setup(t, { reconnect: { minDelay: 1000 } })
      const delays = []
      s.client.connect()
      for (let i = 0; i < 3; i++) {
        const socket = await s.accept()
        socket.receive({ event: 'draining', data: { retryAfter: value } })
        socket.end(1001)
        delays.push(s.states.at(-1).retryAt - Date.now())
        await s.clock.advance(delays.at(-1))
        if (!i) assert.equal(s.client.state, 'connecting')
      }
      assert.deepEqual(delays, [500, 1000, 2000])
    })
  }
})

test('times that are not numbers, or too large for timers, never mean at once', async (t) => {
  for (const ms of [NaN, Infinity, 2 ** 31, 1e12]) {
    await t.test(String(ms), async (t) => {
      const s = setup(t, { heartbeat: ms, connectTimeout: ms, requestTimeout: ms, buffer: { expiresAfter: ms } })
      const waiting = outcome(s.client.send('a'))
      s.client.connect()
      await s.clock.advance(60_000)
      assert.deepEqual([s.client.state, waiting.count], ['connecting', 0])
      const socket = await s.accept({ heartbeat: undefined })
      await s.clock.advance(60_000)
      assert.equal(s.client.state, 'connected')
      assert.equal(waiting.count, 0)
      assert.deepEqual(socket.sent.map(({ event }) => event), ['a'])
    })
  }
})

test('credentials that cannot be encoded end the attempt and say so', async (t) => {
  const s = setup(t, { credentials: { token: 1n } })
  const connected = outcome(s.client.connect())
  await settle()
  s.socket?.open()
  await settle()
  assert.equal(connected.code, 'unreachable')
  assert.match(connected.error.message, /BigInt/)
})

test('a WebSocket class that throws ends the attempt and says so', async (t) => {
  const s = setup(t, { WebSocket: class { constructor() { throw new SyntaxError('bad url') } } })
  const connected = outcome(s.client.connect())
  await settle()
  assert.match(connected.error.message, /bad url/)
  assert.equal(s.client.state, 'closed')
})

test('listeners and token functions may throw anything', async (t) => {
  for (const thrown of [undefined, null, Symbol('x'), 'text', 5n, { message: 'x' }]) {
    await t.test(String(thrown), async (t) => {
      let fail = true
      const s = setup(t, { token: async () => { if (fail) throw thrown } })
      s.client.connect()
      await settle()
      assert.equal(s.client.state, 'waiting')
      assert.equal(s.errors[0].code, 'unavailable')
      assert.equal(s.errors[0].cause, thrown)
      fail = false
      await s.clock.advance(600)
      const socket = await s.accept()
      const got = []
      s.client.on('a', () => { throw thrown })
      s.client.on('a', (data) => got.push(data))
      socket.receive({ event: 'a', data: 1 })
      assert.deepEqual([got, s.errors.at(-1).code], [[1], 'internal'])
    })
  }
})

test('a token function that fails during a refresh is reported as that', async (t) => {
  const s = setup(t, { token: ({ reason }) => { if (reason === 'refresh') throw new Error('no session'); return 'x' } })
  const socket = await s.connect()
  socket.receive({ event: 'expiring', data: {} })
  await settle()
  assert.equal(s.errors[0].code, 'unavailable')
  assert.match(s.errors[0].message, /no session/)
  assert.equal(s.client.state, 'connected')
})

test('a close event without a reason, as in React Native', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  socket.onclose({ code: 1006 })
  socket.readyState = 3
  assert.match(s.states.at(-1).reason.message, /closed: 1006$/)
})
