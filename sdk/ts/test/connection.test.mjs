import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../dist/index.js'
import { FakeSocket, outcome, settle, setup } from './support/fake.mjs'

const states = (changes) => changes.map(({ state }) => state)

test('nothing happens before connect, and each state is reported once', async (t) => {
  const s = setup(t, { token: 'secret', software: { name: 'shop', version: '1.4' } })
  await s.clock.advance(60_000)
  assert.equal(s.sockets.length, 0)
  assert.equal(s.client.state, 'idle')
  const connected = s.client.connect()
  assert.equal(s.client.connect(), connected)
  await settle()
  assert.equal(s.socket.url, 'ws://test/ws')
  s.socket.open()
  assert.deepEqual(s.socket.sent, [{ event: 'authenticate', data: { protocol: 2, client: { name: 'shop', version: '1.4' }, type: 'Bearer', token: 'secret' } }])
  assert.equal(s.client.state, 'connecting')
  s.socket.receive({ event: 'connected', data: { id: 'c1', userId: 'ann', protocol: 2, time: '' } })
  await connected
  assert.deepEqual([s.client.id, s.client.userId, s.client.protocol], ['c1', 'ann', 2])
  assert.deepEqual(states(s.states), ['connecting', 'connected'])
})

test('a token function is asked before each attempt, and never skipped', async (t) => {
  const asked = []
  const s = setup(t, { token: async ({ reason }) => `token${asked.push(reason)}` })
  for (const code of [1006, 1001, 4005, 4003]) {
    if (s.client.state === 'idle') s.client.connect()
    await s.clock.advance(10_000)
    s.socket.open()
    assert.equal(s.socket.take()[0]?.data.token, `token${asked.length}`)
    s.socket.receive({ event: 'connected', data: { id: 'c', protocol: 2 } })
    s.socket.end(code)
  }
  await s.clock.advance(0)
  await s.clock.advance(1)
  assert.deepEqual(asked, ['connect', 'connect', 'connect', 'rejected', 'rejected'])
})

test('close and connect while the token function is busy never use its answer', async (t) => {
  const answers = []
  const signals = []
  const s = setup(t, { token: ({ signal }) => new Promise((resolve) => (signals.push(signal), answers.push(resolve))) })
  const first = outcome(s.client.connect())
  await settle()
  s.client.close()
  assert.ok(signals[0].aborted)
  s.client.connect()
  await settle()
  answers[0]('previous user')
  await settle()
  assert.equal(s.sockets.length, 0)
  assert.equal(first.code, 'closed')
  answers[1]('new user')
  await settle()
  s.socket.open()
  assert.equal(s.socket.sent[0].data.token, 'new user')
  assert.equal(s.sockets.length, 1)
})

test('close in the same task as connect asks for no token', async (t) => {
  const asked = []
  const s = setup(t, { token: ({ reason }) => `token${asked.push(reason)}` })
  s.client.connect()
  s.client.close()
  await s.clock.advance(1000)
  assert.deepEqual([asked, s.sockets], [[], []])
})

test('options that are undefined have their defaults', async (t) => {
  const none = undefined
  const s = setup(t, { heartbeat: none, connectTimeout: none, requestTimeout: none, reconnect: { minDelay: none }, buffer: { maxMessages: none }, token: none })
  const waiting = outcome(s.client.send('a'))
  const socket = await s.connect()
  await s.clock.advance(9999)
  assert.deepEqual(socket.sent.map(({ event }) => event), ['a'])
  assert.equal(waiting.count, 0)
  assert.equal(s.client.state, 'connected')
})

test('nothing of an old socket touches a new one', async (t) => {
  const s = setup(t)
  const old = await s.connect()
  const { onmessage, onclose } = old
  const got = []
  s.client.onMessage((message) => got.push(message))
  s.client.close()
  const current = (s.client.connect(), await s.accept())
  onmessage({ data: '{"event":"say"}' })
  onclose({ code: 4006, reason: '' })
  await settle()
  assert.deepEqual(got, [])
  assert.equal(s.client.state, 'connected')
  assert.equal(old.closedWith, 1000)
  current.sent.length = 0
  await s.clock.advance(15_000)
  assert.equal(current.sent.length, 1, 'one heartbeat on the current socket')
  assert.equal(old.sent.length, 0)
})

test('close is final in every state', async (t) => {
  for (const at of ['idle', 'asking', 'opening', 'authenticating', 'connected', 'waiting', 'suspended']) {
    await t.test(at, async (t) => {
      const page = fakePage(t)
      const s = setup(t, at === 'asking' ? { token: () => new Promise(() => {}) } : {})
      if (at !== 'idle') s.client.connect()
      await settle()
      if (at === 'authenticating') s.socket.open()
      if (at === 'connected' || at === 'suspended') await s.accept()
      if (at === 'waiting') s.socket.end()
      if (at === 'suspended') page.document.dispatchEvent(new Event('freeze'))
      s.client.close()
      assert.equal(s.client.state, 'closed')
      const count = s.sockets.length
      page.document.dispatchEvent(new Event('resume'))
      page.dispatch('pageshow')
      page.dispatch('online')
      await s.clock.advance(120_000)
      assert.equal(s.client.state, 'closed')
      assert.equal(s.sockets.length, count)
      await assert.rejects(s.client.send('x'), { code: 'closed' })
    })
  }
})

test('what the server says when it refuses the login is in the reason', async (t) => {
  const text = 'Your account "x" is closed.'
  for (const [data, code, closeCode, expected] of [
    [{ message: text, code: 'forbidden' }, 4003, 'rejected', { text, serverCode: 'forbidden' }],
    [{ message: text, code: 'rate_limited' }, 1013, 'unavailable', { text, serverCode: 'rate_limited' }],
    [{ message: text }, 4003, 'rejected', { text, serverCode: undefined }],
    [{ message: '', code: 'forbidden' }, 4003, 'rejected', { text: 'said the close frame', serverCode: 'forbidden' }],
    [null, 4003, 'rejected', { text: 'said the close frame', serverCode: undefined }],
    [5, 4003, 'rejected', { text: 'said the close frame', serverCode: undefined }],
  ]) {
    await t.test(JSON.stringify(data), async (t) => {
      const s = setup(t, { token: 'a', reconnect: false })
      const connecting = outcome(s.client.connect())
      await settle()
      s.socket.open()
      s.socket.receive({ event: 'error', data })
      s.socket.end(code, 'said the close frame')
      await settle()
      const { reason } = s.states.at(-1)
      assert.deepEqual([reason.code, reason.closeCode], [closeCode, code])
      assert.deepEqual({ text: reason.text, serverCode: reason.serverCode }, expected)
      assert.match(reason.message, new RegExp(`^The connection was closed: ${code} "${expected.text}"`))
      assert.equal(connecting.error, reason)
      assert.deepEqual(s.errors, [])
    })
  }
})

test('an error before connected does not explain the end of a connection', async (t) => {
  const s = setup(t, { reconnect: false })
  s.client.connect()
  await settle()
  s.socket.open()
  s.socket.receive({ event: 'error', data: { message: 'not yet', code: 'unavailable' } })
  s.socket.receive({ event: 'connected', data: { id: 'c1', protocol: 2 } })
  s.socket.end(4006, 'Closed by support')
  const { reason } = s.states.at(-1)
  assert.deepEqual([reason.text, reason.serverCode], ['Closed by support', undefined])
})

// The package ws would wait for 30 s, during which the program does not end.
test('a socket whose close is not answered is terminated', async (t) => {
  const ends = []
  let last
  class Socket extends FakeSocket {
    constructor(url) {
      super(url)
      last = this
    }
    terminate() {
      ends.push('terminated')
      this.end()
    }
  }
  const s = setup(t, { WebSocket: Socket })
  const connect = async () => {
    s.client.connect()
    await settle()
    last.open()
    last.receive({ event: 'connected', data: { id: 'c1', protocol: 2 } })
  }
  await connect()
  s.client.close()
  assert.deepEqual([last.closedWith, ends], [1000, []])
  await s.clock.advance(4999)
  assert.deepEqual(ends, [])
  await s.clock.advance(1)
  assert.deepEqual([ends, s.clock.timers.size], [['terminated'], 0])

  await connect()
  s.client.close()
  last.end(1000) // the answer
  assert.equal(s.clock.timers.size, 0)

  await connect()
  last.end(4006) // the server closes
  await settle()
  assert.deepEqual([ends.length, s.clock.timers.size], [1, 0])

  await connect()
  while (s.client.state === 'connected') await s.clock.advance(100) // until the silence is noticed
  await s.clock.advance(1)
  assert.equal(ends.length, 2, 'it waits for a server that does not answer')
})

test('an attempt that takes too long fails, and the next one follows', async (t) => {
  const s = setup(t, { connectTimeout: 5000, reconnect: { minDelay: 100, maxDelay: 100 } })
  s.client.connect()
  await s.clock.advance(4999)
  assert.equal(s.client.state, 'connecting')
  await s.clock.advance(1)
  assert.equal(s.client.state, 'waiting')
  assert.equal(s.states.at(-1).reason.code, 'unreachable')
  await s.clock.advance(101)
  assert.equal(s.sockets.length, 2)
  assert.ok(s.sockets[0].readyState >= 2)
})

test('the delay is random, doubles, and is reset only by a connection that lasted', async (t) => {
  t.mock.method(Math, 'random', () => 0.999999)
  const s = setup(t, { reconnect: { minDelay: 1000, maxDelay: 8000, stableAfter: 10_000 } })
  s.client.connect()
  const delays = []
  const fail = async (lasts) => {
    if (lasts === undefined) await settle()
    else await s.accept()
    await s.clock.advance(lasts ?? 0)
    s.socket.end(1006)
    delays.push(Math.round(s.states.at(-1).retryAt - Date.now()))
    await s.clock.advance(delays.at(-1) + 1)
  }
  for (const lasts of [undefined, undefined, 0, 9000, 9000, 10_000, undefined]) await fail(lasts)
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 8000, 1000, 2000])
})

test('close codes', async (t) => {
  const cases = [
    // code, final, error, the minimum and the maximum delay
    [1000, false, 'lost', 0, 500],
    [1001, false, 'lost', 0, 500],
    [1006, false, 'lost', 0, 500],
    [1011, false, 'lost', 0, 500],
    [1012, false, 'lost', 0, 500],
    [1013, false, 'unavailable', 5000, 5500],
    [4001, false, 'lost', 0, 500],
    [4002, false, 'lost', 0, 500],
    [4005, false, 'expired', 0, 500],
    [4007, false, 'rate_limited', 5000, 5500],
    [4008, false, 'rate_limited', 30_000, 30_500],
    [4999, false, 'lost', 0, 500],
    [1002, true, 'protocol'], [1003, true, 'protocol'], [1007, true, 'protocol'], [1008, true, 'protocol'],
    [1009, true, 'too_large'], [1010, true, 'protocol'],
    [4003, true, 'rejected'], [4004, true, 'encryption_required'], [4006, true, 'closed'],
  ]
  for (const [code, final, error, least, most] of cases) {
    await t.test(String(code), async (t) => {
      const s = setup(t)
      const socket = await s.connect()
      socket.end(code, 'Some reason')
      const { state, reason, retryAt } = s.states.at(-1)
      assert.equal(state, final ? 'closed' : 'waiting')
      assert.equal(reason.code, error)
      assert.equal(reason.closeCode, code)
      assert.match(reason.message, /Some reason/)
      if (final) return
      const delay = retryAt - Date.now()
      assert.ok(delay >= least && delay <= most, `delay ${delay}`)
    })
  }
})

test('credentials that were refused are replaced once', async (t) => {
  const asked = []
  const s = setup(t, { token: ({ reason }) => `token${asked.push(reason)}` })
  const connected = outcome(s.client.connect())
  for (let i = 0; i < 2; i++) {
    await s.clock.advance(1)
    s.socket.open()
    s.socket.receive({ event: 'error', data: { message: 'Authentication failed' } })
    s.socket.end(4003, 'Authentication failed')
  }
  await s.clock.advance(60_000)
  assert.deepEqual(asked, ['connect', 'rejected'])
  assert.equal(s.client.state, 'closed')
  assert.equal(connected.code, 'rejected')
  assert.match(connected.error.message, /Authentication failed.*check the credentials/)
})

test('a token function that fails is reported and asked again later', async (t) => {
  let fail = true
  const s = setup(t, { token: () => { if (fail) throw new Error('offline') } })
  s.client.connect()
  await settle()
  assert.equal(s.client.state, 'waiting')
  assert.equal(s.errors.length, 1)
  assert.match(s.errors[0].message, /offline/)
  assert.equal(s.errors[0].cause.message, 'offline')
  fail = false
  await s.clock.advance(600)
  await s.accept()
  assert.equal(s.client.state, 'connected')
})

test('after draining, the client comes back when the server asked it to', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  socket.receive({ event: 'draining', data: { retryAfter: 20_000 } })
  await s.clock.advance(1000)
  assert.equal(s.client.state, 'connected')
  const reply = outcome(s.client.send('still works'))
  socket.ack(socket.take()[0], 'yes')
  socket.end(1001, 'Server shutting down')
  await settle()
  assert.equal(reply.value, 'yes')
  assert.equal(s.states.at(-1).retryAt - Date.now(), 19_000)
  await s.clock.advance(18_999)
  assert.equal(s.sockets.length, 1)
  await s.clock.advance(1)
  assert.equal(s.sockets.length, 2)
  s.socket.end()
  assert.ok(s.states.at(-1).retryAt - Date.now() <= 1000, 'the time of the drain is used once')
})

test('a broken connection is noticed within a heartbeat', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  for (let i = 0; i < 3; i++) {
    await s.clock.advance(15_000)
    const beat = socket.sent.at(-1)
    assert.equal(beat.event, 'heartbeat')
    socket.ack(beat)
  }
  const since = s.clock.mono
  while (s.client.state === 'connected') await s.clock.advance(1000)
  assert.ok(s.clock.mono - since <= 30_000)
  assert.equal(s.states.at(-1).reason.code, 'lost')
  assert.ok(socket.readyState >= 2)
})

test('heartbeats follow half of the timeout of the server', async (t) => {
  const s = setup(t)
  const socket = await s.connect({ heartbeat: 3000 })
  for (let i = 0; i < 10; i++) {
    await s.clock.advance(750)
    assert.equal(socket.sent.length, 1)
    socket.ack(socket.sent.pop())
  }
  assert.equal(s.client.state, 'connected')
})

test('in protocol 1, silence proves nothing', async (t) => {
  const s = setup(t)
  const socket = await s.connect({ protocol: undefined })
  assert.equal(s.client.protocol, 1)
  await s.clock.advance(300_000)
  assert.equal(s.client.state, 'connected')
  assert.deepEqual(socket.sent[0], { event: 'heartbeat' })
  assert.equal(socket.sent.length, 20)
})

test('a late timer is not trusted: the server is asked once more', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  await s.clock.advance(15_000)
  s.clock.stall(300_000) // throttled: answers wait in the queue of events
  await s.clock.advance(0)
  assert.equal(s.client.state, 'connected')
  assert.equal(socket.sent.length, 2, 'it asked again')
  socket.ack(socket.sent.at(-1))
  await s.clock.advance(15_000)
  assert.equal(s.client.state, 'connected')
  s.clock.stall(300_000)
  await s.clock.advance(0)
  s.clock.stall(300_000) // always late, and no answer
  await s.clock.advance(0)
  assert.equal(s.client.state, 'waiting')
})

test('a wrong clock and a clock that jumps change nothing', async (t) => {
  const asked = []
  const s = setup(t, { token: ({ reason }) => `token${asked.push(reason)}` })
  const socket = await s.connect({ expires: '2026-01-31T09:15:07.123Z' })
  for (const jump of [365 * 86_400_000, -730 * 86_400_000]) {
    s.clock.sleep(jump)
    for (let i = 0; i < 4; i++) {
      await s.clock.advance(15_000)
      socket.ack({ id: 'x' })
    }
  }
  assert.equal(s.client.state, 'connected')
  assert.deepEqual(asked, ['connect'])
})

test('expiring: one refresh at a time, one for each event', async (t) => {
  const asks = []
  const s = setup(t, { token: ({ reason }) => (reason === 'connect' ? 'first' : new Promise((resolve, reject) => asks.push({ resolve, reject }))) })
  const socket = await s.connect({ expires: '2026-01-31T09:15:07.123Z' })
  const expiring = { event: 'expiring', data: { expires: '2026-01-31T09:15:07.123Z' } }
  socket.receive(expiring)
  socket.receive(expiring)
  await settle()
  assert.equal(asks.length, 1)
  asks[0].resolve('second')
  await settle()
  const [refresh] = socket.take()
  assert.deepEqual({ event: refresh.event, data: refresh.data }, { event: 'refresh', data: { type: 'Bearer', token: 'second' } })
  socket.ack(refresh, { expires: '2026-01-31T10:15:07.123Z' })
  assert.equal(s.client.connection.expires, '2026-01-31T10:15:07.123Z')
  socket.receive(expiring)
  await settle()
  assert.equal(asks.length, 2)
  asks[1].reject(new Error('logged out'))
  await settle()
  assert.match(s.errors[0].message, /logged out/)
  socket.receive(expiring)
  await settle()
  socket.end(4005) // while the function is busy
  asks[2].resolve('too late')
  await settle()
  assert.deepEqual(socket.take(), [])
})

test('a listener that closes or connects does not confuse the order of changes', async (t) => {
  const s = setup(t)
  const first = []
  const second = []
  s.client.onState(({ state }) => {
    first.push(state)
    if (state === 'connected') s.client.close()
  })
  s.client.onState(({ state }) => second.push(state))
  await s.connect()
  assert.deepEqual(first, ['connecting', 'connected', 'closed'])
  assert.deepEqual(second, first)
})

test('close in a listener for waiting leaves no timer', async (t) => {
  const s = setup(t)
  s.client.onState(({ state }) => state === 'waiting' && s.client.close())
  const socket = await s.connect()
  socket.end()
  assert.equal(s.client.state, 'closed')
  assert.equal(s.clock.timers.size, 0)
})

test('without reconnect, the end of the connection is final', async (t) => {
  const s = setup(t, { reconnect: false })
  const connected = outcome(s.client.connect())
  await settle()
  s.socket.end()
  await settle()
  assert.equal(s.client.state, 'closed')
  assert.equal(connected.code, 'unreachable')
})

test('frozen page: suspended, and missed messages are reported on return', async (t) => {
  const page = fakePage(t)
  const s = setup(t)
  const socket = await s.connect()
  assert.equal(s.states.at(-1).missed, false)
  const lost = outcome(s.client.send('sent'))
  page.document.dispatchEvent(new Event('freeze'))
  assert.equal(s.client.state, 'suspended')
  assert.equal(socket.closedWith, 1000)
  const kept = outcome(s.client.send('kept'))
  await s.clock.advance(10_000)
  assert.equal(lost.code, 'lost')
  assert.equal(s.sockets.length, 1)
  page.document.dispatchEvent(new Event('resume'))
  assert.equal(s.client.state, 'connecting')
  const next = await s.accept()
  assert.equal(s.states.at(-1).missed, true)
  assert.deepEqual(next.take().map(({ event }) => event), ['kept'])
  assert.equal(kept.count, 0)
})

test('back/forward cache: only pages that are kept are suspended', async (t) => {
  const page = fakePage(t)
  const s = setup(t)
  await s.connect()
  page.dispatch('pagehide', { persisted: false })
  assert.equal(s.client.state, 'connected')
  page.dispatch('pagehide', { persisted: true })
  assert.equal(s.client.state, 'suspended')
  page.dispatch('pageshow', { persisted: true })
  assert.equal(s.client.state, 'connecting')
  s.client.close()
  assert.equal(page.count(), 0, 'no listener of the page is left')
})

test('network change and visible page: no further delay, except what the server asked for', async (t) => {
  const page = fakePage(t)
  const s = setup(t, { reconnect: { minDelay: 20_000, maxDelay: 20_000 } })
  t.mock.method(Math, 'random', () => 0.9)
  let socket = await s.connect()
  socket.end(1006)
  page.dispatch('online')
  await s.clock.advance(1)
  socket = await s.accept()
  socket.end(1013)
  page.document.dispatchEvent(new Event('visibilitychange'))
  await s.clock.advance(4999)
  assert.equal(s.client.state, 'waiting')
  await s.clock.advance(1)
  assert.equal(s.client.state, 'connecting')
})

test('network change while connected: the server is asked at once', async (t) => {
  const page = fakePage(t)
  const s = setup(t)
  const socket = await s.connect()
  page.dispatch('online')
  assert.equal(socket.sent.at(-1).event, 'heartbeat')
  await s.clock.advance(15_000)
  assert.equal(s.client.state, 'waiting')
})

test('a page that becomes visible again and again does not put off the end of a broken connection', async (t) => {
  const page = fakePage(t)
  const s = setup(t)
  await s.connect()
  page.document.hidden = false
  for (let i = 0; i < 4; i++) {
    page.document.dispatchEvent(new Event('visibilitychange'))
    await s.clock.advance(5000)
  }
  assert.equal(s.states[2]?.reason.code, 'lost')
})

test('network change in protocol 1: connect again, because the server would not answer', async (t) => {
  const page = fakePage(t)
  const s = setup(t)
  await s.connect({ protocol: undefined })
  page.dispatch('online')
  await s.clock.advance(1)
  assert.equal(s.client.state, 'connecting')
  await s.accept({ protocol: undefined })
  assert.equal(s.states.at(-1).missed, true)
})

test('without a WebSocket, the error says what to do', async (t) => {
  const { WebSocket } = globalThis
  delete globalThis.WebSocket
  t.after(() => WebSocket && (globalThis.WebSocket = WebSocket))
  const client = new Client('ws://test/ws')
  client.onError(() => {})
  await assert.rejects(client.connect(), (error) => error.code === 'unreachable' && /option WebSocket/.test(error.message))
  assert.equal(client.state, 'closed')
})

/** Installs a document and events of a window. */
function fakePage(t) {
  const window = new EventTarget()
  const document = Object.assign(new EventTarget(), { hidden: false })
  const counts = new Map()
  for (const target of [window, document]) {
    const add = target.addEventListener.bind(target)
    target.addEventListener = (type, listener, options) => {
      counts.set(listener, true)
      options.signal.addEventListener('abort', () => counts.delete(listener))
      add(type, listener, options)
    }
  }
  globalThis.document = document
  globalThis.addEventListener = window.addEventListener
  t.after(() => {
    delete globalThis.document
    delete globalThis.addEventListener
  })
  return {
    document,
    count: () => counts.size,
    dispatch: (type, fields) => window.dispatchEvent(Object.assign(new Event(type), fields)),
  }
}

test('a token function that fails is called once for each attempt', async (t) => {
  const asked = []
  const s = setup(t, {
    token: ({ reason }) => {
      asked.push(reason)
      throw new Error('502')
    },
  })
  s.client.connect()
  await s.clock.advance(120_000)
  const attempts = s.states.filter(({ state }) => state === 'connecting').length
  assert.ok(attempts > 3)
  assert.deepEqual(asked, Array(attempts).fill('connect'))
  assert.equal(s.errors.length, attempts)
})
