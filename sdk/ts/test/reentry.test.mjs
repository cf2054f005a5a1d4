// Listeners that call the client while it tells them of a change.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcome, settle, setup } from './support/fake.mjs'

const states = (changes) => changes.map(({ state }) => state)
const events = (messages) => messages.map(({ event }) => event)

async function joined(s, ...names) {
  const rooms = names.map((name) => s.client.room(name))
  const socket = await s.connect()
  const [join] = socket.take()
  socket.ack(join, { rooms: names.map((room) => ({ room })) })
  return [socket, ...rooms]
}

test('close in a listener of a room: the last change that is reported is the state', async (t) => {
  const s = setup(t)
  const [socket, lobby] = await joined(s, 'lobby')
  lobby.onState(({ state }) => state === 'joining' && s.client.close())
  socket.end()
  assert.deepEqual(states(s.states), ['connecting', 'connected', 'waiting', 'closed'])
  assert.equal(s.client.state, 'closed')
})

test('connect in a listener of a room: changes are reported in their order', async (t) => {
  const s = setup(t)
  const [socket, lobby] = await joined(s, 'lobby')
  lobby.onState(({ state }) => state === 'joining' && s.client.connect())
  socket.end()
  assert.deepEqual(states(s.states), ['connecting', 'connected', 'waiting', 'connecting'])
})

test('close, connect and send in a listener of a room that is joined again', async (t) => {
  const s = setup(t)
  const staff = s.client.room('staff')
  const socket = await s.connect()
  socket.receive({ event: 'error', id: socket.take()[0].id, data: { code: 'forbidden' } })
  assert.equal(staff.state, 'refused')
  let connected
  let sent
  let done = false
  staff.onState(({ state }) => {
    if (state !== 'joining' || done) return
    done = true
    s.client.close()
    connected = outcome(s.client.connect())
    sent = outcome(s.client.send('a'))
  })
  socket.end()
  await s.clock.advance(600)
  await s.accept()
  assert.deepEqual(states(s.states).slice(-3), ['connected', 'closed', 'connecting'])
  assert.deepEqual([connected.count, sent.count], [0, 0])
  const next = await s.accept()
  assert.deepEqual(events(next.take()), ['join', 'a'])
  assert.equal(connected.count, 1)
})

test('send in a listener of a room does not overtake what waits', async (t) => {
  const s = setup(t)
  const staff = s.client.room('staff')
  const socket = await s.connect()
  socket.receive({ event: 'error', id: socket.take()[0].id, data: { code: 'forbidden' } })
  socket.end()
  s.client.send('older').catch(() => {})
  staff.onState(({ state }) => state === 'joining' && s.client.send('newer').catch(() => {}))
  await s.clock.advance(600)
  const next = await s.accept()
  assert.deepEqual(events(next.take()), ['join', 'older', 'newer'])
})

test('close in a listener of a room that is joined: the others of the answer are not joined', async (t) => {
  const s = setup(t)
  const [a, b] = ['a', 'b'].map((name) => s.client.room(name))
  a.onState(({ state }) => state === 'joined' && s.client.close())
  const result = outcome(b.joined)
  const socket = await s.connect()
  socket.ack(socket.take()[0], { rooms: [{ room: 'a' }, { room: 'b' }] })
  await settle()
  assert.equal(b.state, 'joining')
  assert.equal(result.code, 'closed')
})

test('connect in an abort listener of a token function does not lose the new attempt', async (t) => {
  let asked = 0
  const s = setup(t, {
    token: ({ signal }) => {
      if (++asked > 1) return 'x'
      return new Promise(() => signal.addEventListener('abort', () => s.client.connect()))
    },
  })
  s.client.connect()
  await settle()
  s.client.close()
  assert.deepEqual(states(s.states), ['connecting', 'closed', 'connecting'])
  await s.accept()
  assert.equal(s.client.state, 'connected')
})

test('a connection that lasted resets the delay, also if the page was suspended', async (t) => {
  t.mock.method(Math, 'random', () => 0.5)
  const names = { document: globalThis.document }
  globalThis.document = new EventTarget()
  t.after(() => (globalThis.document = names.document))
  const s = setup(t, { reconnect: { minDelay: 1000 } })
  s.client.connect()
  for (let i = 0; i < 4; i++) {
    await settle()
    s.socket.end()
    await s.clock.advance(s.states.at(-1).retryAt - Date.now())
  }
  await s.accept()
  await s.clock.advance(12_000)
  globalThis.document.dispatchEvent(new Event('freeze'))
  globalThis.document.dispatchEvent(new Event('resume'))
  await settle()
  s.socket.end()
  assert.equal(s.states.at(-1).retryAt - Date.now(), 500)
})

test('listeners for names that are used once take no memory', async (t) => {
  const { setFlagsFromString } = await import('node:v8')
  setFlagsFromString('--expose-gc')
  const gc = (await import('node:vm')).runInNewContext('gc')
  const { client } = setup(t)
  gc()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 100_000; i++) client.on(`reply-${i}`, () => {})()
  gc()
  const grown = process.memoryUsage().heapUsed - before
  assert.ok(grown < 3e6, `${grown} bytes are left`)
})
