import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcome, settle, setup } from './support/fake.mjs'

const events = (messages) => messages.map(({ event }) => event)

test('requests are answered by id, once, whatever the order', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const a = outcome(s.client.send('a', { x: 1 }))
  const b = outcome(s.client.send('b'))
  const [first, second] = socket.take()
  assert.deepEqual(first, { event: 'a', data: { x: 1 }, id: first.id })
  assert.ok(first.id.length <= 64 && first.id !== second.id)
  socket.receive({ event: 'error', id: second.id, data: { code: 'forbidden', message: 'not you' } })
  socket.ack(first, 'done')
  socket.ack(first, 'again')
  socket.ack({ id: 'unknown' })
  await settle()
  assert.deepEqual([a.value, a.count, b.code, b.count], ['done', 1, 'forbidden', 1])
  assert.match(b.error.message, /not you/)
})

test('ids differ between clients', async (t) => {
  const ids = new Set()
  for (let i = 0; i < 20; i++) {
    await t.test(String(i), async (t) => {
      const s = setup(t)
      const socket = await s.connect()
      s.client.send('a').catch(() => {})
      ids.add(socket.take()[0].id)
    })
  }
  assert.equal(ids.size, 20)
})

test('what waits is sent in order, before what is newer and after the rooms', async (t) => {
  const s = setup(t)
  s.client.room('lobby')
  s.client.send('1').catch(() => {})
  s.client.connect()
  s.client.send('2').catch(() => {})
  s.client.onState(({ state }) => state === 'connected' && s.client.send('3').catch(() => {}))
  const socket = await s.accept()
  assert.deepEqual(events(socket.take()), ['join', '1', '2', '3'])
})

test('a request that was sent is lost with the connection, or sent again first', async (t) => {
  const s = setup(t)
  let socket = await s.connect()
  const lost = outcome(s.client.send('lost'))
  const retried = outcome(s.client.send('retried', null, { retry: true }))
  const before = socket.take()
  socket.readyState = 2 // the server closes: the socket would drop messages silently
  const late = outcome(s.client.send('late'))
  socket.end()
  const waiting = outcome(s.client.send('waiting'))
  await s.clock.advance(600)
  assert.equal(lost.code, 'lost')
  socket = await s.accept()
  const after = socket.take()
  assert.deepEqual(events(after), ['retried', 'late', 'waiting'])
  assert.deepEqual(after[0], before[1])
  for (const message of after) socket.ack(message, message.event)
  await settle()
  assert.deepEqual([retried.value, late.value, waiting.value], ['retried', 'late', 'waiting'])
})

test('timeouts: of the client, of a request, and none', async (t) => {
  const s = setup(t, { requestTimeout: 5000 })
  const socket = await s.connect()
  const a = outcome(s.client.send('a'))
  const b = outcome(s.client.send('b', null, { timeout: 1000 }))
  const c = outcome(s.client.send('c', null, { timeout: Infinity }))
  await s.clock.advance(1000)
  assert.deepEqual([a.code, b.code], [undefined, 'timeout'])
  await s.clock.advance(4000)
  assert.equal(a.code, 'timeout')
  const sent = socket.take()
  for (let i = 0; i < 10; i++) {
    socket.ack(sent[0], 'late')
    await s.clock.advance(10_000)
  }
  assert.equal(a.count, 1)
  assert.equal(c.count, 0)
  assert.equal(s.client.state, 'connected')
})

test('an answer that waits behind a late timer still counts', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const reply = outcome(s.client.send('a'))
  s.clock.stall(60_000)
  await s.clock.advance(0) // the timer fires first
  socket.ack(socket.take()[0], 'yes')
  await settle()
  assert.equal(reply.value, 'yes')
})

test('the buffer: limits, and what it drops', async (t) => {
  await t.test('reject', async (t) => {
    const s = setup(t, { buffer: { maxMessages: 2 } })
    const results = ['a', 'b', 'c'].map((event) => outcome(s.client.send(event)))
    await settle()
    assert.deepEqual(results.map(({ code }) => code), [undefined, undefined, 'buffer_full'])
  })
  await t.test('drop-oldest', async (t) => {
    const s = setup(t, { buffer: { maxMessages: 2, policy: 'drop-oldest' } })
    const results = ['a', 'b', 'c'].map((event) => outcome(s.client.send(event)))
    await settle()
    assert.deepEqual(results.map(({ code }) => code), ['buffer_full', undefined, undefined])
  })
  await t.test('bytes are those of UTF-8', async (t) => {
    const s = setup(t, { buffer: { maxBytes: 300, policy: 'drop-oldest' } })
    const huge = outcome(s.client.send('a', '€'.repeat(100)))
    const fits = outcome(s.client.send('b', 'x'.repeat(200)))
    const next = outcome(s.client.send('c', 'x'.repeat(200)))
    await settle()
    assert.deepEqual([huge.code, fits.code, next.code], ['buffer_full', 'buffer_full', undefined])
  })
})

test('messages expire in the buffer, also while the machine sleeps', async (t) => {
  const s = setup(t, { buffer: { expiresAfter: 10_000 } })
  const a = outcome(s.client.send('a'))
  const b = outcome(s.client.send('b', null, { expiresAfter: 60_000 }))
  await s.clock.advance(10_000)
  assert.deepEqual([a.code, b.code], ['expired', undefined])
  s.client.connect()
  s.clock.sleep(60_000) // timers and the monotonic clock stand still
  const socket = await s.accept()
  assert.equal(b.code, 'expired')
  assert.deepEqual(socket.take(), [])
})

test('a message that is too large is refused, and not tried again', async (t) => {
  const s = setup(t)
  const large = outcome(s.client.send('a', '€'.repeat(400), { retry: true }))
  const fits = outcome(s.client.send('b', 'x'.repeat(800)))
  const socket = await s.connect()
  assert.equal(large.code, 'too_large')
  assert.deepEqual(events(socket.take()), ['b'])
  assert.equal(fits.count, 0)
  const surrogates = outcome(s.client.send('c', '😀'.repeat(300)))
  await settle()
  assert.equal(surrogates.code, 'too_large')
  assert.equal(s.client.state, 'connected')
})

test('volatile messages are dropped when they would have to wait', async (t) => {
  const s = setup(t)
  await s.client.send('a', 1, { volatile: true })
  const socket = await s.connect()
  await s.client.send('b', 2, { volatile: true })
  socket.bufferedAmount = 100_000
  await s.client.send('c', 3, { volatile: true })
  assert.deepEqual(socket.take(), [{ event: 'b', data: 2 }])
})

test('requests can be canceled', async (t) => {
  const s = setup(t)
  const aborts = [new AbortController(), new AbortController()]
  const early = outcome(s.client.send('early', null, { signal: AbortSignal.abort() }))
  const waiting = outcome(s.client.send('waiting', null, { signal: aborts[0].signal }))
  aborts[0].abort()
  const socket = await s.connect()
  const sent = outcome(s.client.send('sent', null, { signal: aborts[1].signal }))
  aborts[1].abort()
  socket.ack(socket.take()[0])
  await settle()
  assert.deepEqual([early.code, waiting.code, sent.code, sent.count], ['aborted', 'aborted', 'aborted', 1])
})

test('close ends all requests; a final end tells those that were sent apart', async (t) => {
  const s = setup(t)
  let socket = await s.connect()
  const a = outcome(s.client.send('a'))
  s.client.close()
  await settle()
  assert.equal(a.code, 'closed')
  socket = (s.client.connect(), await s.accept())
  const sent = outcome(s.client.send('sent'))
  socket.readyState = 2
  const unsent = outcome(s.client.send('unsent', null, { retry: true }))
  socket.end(4006, 'Kicked')
  await settle()
  assert.deepEqual([sent.code, unsent.code], ['lost', 'closed'])
  assert.match(unsent.error.cause.message, /Kicked/)
})

test('data that cannot be encoded rejects', async (t) => {
  const s = setup(t)
  await s.connect()
  await assert.rejects(s.client.send('a', 1n), TypeError)
  const circular = {}
  circular.self = circular
  await assert.rejects(s.client.send('a', circular), TypeError)
})

test('the data is what it was at the time of the call', async (t) => {
  const s = setup(t)
  const data = { text: 'before' }
  s.client.send('a', data).catch(() => {})
  data.text = 'after'
  const socket = await s.connect()
  assert.equal(socket.take()[0].data.text, 'before')
})

test('protocol 1: no ids, no answers, and the room is in the data', async (t) => {
  const s = setup(t)
  const lobby = s.client.room('lobby')
  const got = []
  lobby.onMessage(({ event, room, from }) => got.push([event, room, from]))
  s.client.onMessage(({ event, room }) => got.push([event, room]))
  const socket = await s.connect({ protocol: undefined, maxPayload: undefined })
  await lobby.joined
  assert.equal(await lobby.send('a', { text: 'hi' }), undefined)
  await lobby.send('b', { room: 'own' })
  await lobby.send('c', 'text')
  await lobby.send('d')
  await s.client.send('e', null)
  assert.deepEqual(socket.take(), [
    { event: 'join', data: { rooms: ['lobby'] } },
    { event: 'a', data: { room: 'lobby', text: 'hi' } },
    { event: 'b', data: { room: 'own' } },
    { event: 'c', data: 'text' },
    { event: 'd', data: { room: 'lobby' } },
    { event: 'e', data: null },
  ])
  socket.receive({ event: 'say', data: { room: 'lobby', from: { id: 'x' } } })
  socket.receive({ event: 'say', data: { room: 'elsewhere' } })
  socket.receive({ event: 'ack', data: 'belongs to the application' })
  assert.deepEqual(got, [['say', 'lobby', undefined], ['say', 'lobby'], ['say', undefined], ['ack', undefined]])
})

test('listeners: order, removal while called, and those that throw', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const calls = []
  const stop = s.client.on('say', () => {
    calls.push('first')
    removeSecond()
    s.client.on('say', () => calls.push('added'))
  })
  const removeSecond = s.client.on('say', () => calls.push('second'))
  const twice = () => calls.push('twice')
  s.client.on('say', twice)
  s.client.on('say', twice)
  s.client.on('say', () => { throw new Error('bad listener') })
  s.client.on('say', () => calls.push('last'))
  socket.receive({ event: 'say', data: 1 })
  assert.deepEqual(calls, ['first', 'twice', 'twice', 'last'])
  assert.equal(s.errors[0].cause.message, 'bad listener')
  stop()
  stop()
  calls.length = 0
  socket.receive({ event: 'say', data: 1 })
  assert.deepEqual(calls, ['twice', 'twice', 'last', 'added'])
})

test('an error listener that throws does not call itself', async (t) => {
  const s = setup(t)
  const log = t.mock.method(console, 'error', () => {})
  s.client.onError(() => { throw new Error('worse') })
  const socket = await s.connect()
  socket.receive('not JSON')
  assert.equal(log.mock.callCount(), 1)
})

test('bad frames are reported and change nothing', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const got = []
  s.client.onMessage((message) => got.push(message))
  for (const text of ['', 'x', 'null', '5', '[]', '{}', '{"event":""}', '{"event":5}']) socket.receive(text)
  socket.onmessage({ data: new Blob([]) })
  assert.equal(s.errors.length, 9)
  assert.equal(got.length, 0)
  socket.receive({ event: 'error', data: { message: 'Invalid message format' } })
  assert.match(s.errors.at(-1).message, /Invalid message format/)
  socket.receive({ event: 'constructor', data: 1, unknown: true })
  assert.deepEqual(got, [{ event: 'constructor', data: 1, room: undefined, from: undefined }])
})

test('rooms: one join for several, reference counts, and the latest wish', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const a1 = s.client.room('a')
  const a2 = s.client.room('a')
  const b = s.client.room('b')
  await settle()
  const [join, ...rest] = socket.take()
  assert.deepEqual([join.data, rest], [{ rooms: ['a', 'b'] }, []])
  socket.ack(join, { rooms: [{ room: 'a' }], refused: [{ room: 'b', code: 'forbidden', message: 'Only for staff.' }] })
  await a1.joined
  await assert.rejects(b.joined, { code: 'forbidden', serverCode: 'forbidden', text: 'Only for staff.', message: 'Refused: Only for staff.' })
  assert.deepEqual([a1.state, a2.state, b.state], ['joined', 'joined', 'refused'])
  a1.leave()
  a1.leave()
  await s.clock.advance(10)
  assert.deepEqual(socket.take(), [])
  a2.leave()
  const a3 = s.client.room('a') // React's double effects
  await s.clock.advance(10)
  assert.deepEqual(socket.take(), [])
  assert.equal(a3.state, 'joined')
  a3.leave()
  await s.clock.advance(10)
  const a4 = s.client.room('a')
  await settle()
  assert.deepEqual(events(socket.take()), ['leave', 'join'])
  assert.deepEqual([a1.state, a4.state], ['left', 'joining'])
  const { joined } = a4
  a4.leave()
  await s.clock.advance(10)
  await assert.rejects(joined, { code: 'aborted' })
})

test('a message that follows a leave is sent after it', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const room = s.client.room('a')
  await settle()
  const [join] = socket.take()
  socket.ack(join, { rooms: [{ room: 'a' }], refused: [] })
  await room.joined
  room.leave()
  const sent = s.client.send('say', 1, { room: 'a' })
  const frames = socket.take()
  assert.deepEqual(events(frames), ['leave', 'say'])
  frames.forEach((frame) => socket.ack(frame))
  await sent
  const again = s.client.room('a')
  const reply = s.client.send('say', 2, { room: 'a' })
  const later = socket.take()
  assert.deepEqual(events(later), ['join', 'say'])
  later.forEach((frame) => socket.ack(frame))
  await reply
  assert.equal(again.state, 'joined')
})

test('a refused room is tried again by a new handle and on the next connection', async (t) => {
  const s = setup(t)
  const changes = []
  let socket = await s.connect()
  const a = s.client.room('a')
  a.onState(({ state, reason }) => changes.push([state, reason?.code]))
  await settle()
  socket.receive({ event: 'error', id: socket.take()[0].id, data: { code: 'internal', message: '' } })
  s.client.room('a')
  await settle()
  socket.ack(socket.take()[0], { rooms: [], refused: [] })
  assert.deepEqual(changes, [['refused', 'internal'], ['joining', undefined], ['refused', 'invalid']])
  socket.end()
  await s.clock.advance(600)
  socket = await s.accept()
  socket.ack(socket.take()[0], { rooms: [{ room: 'a' }], refused: [] })
  await a.joined
})

test('rooms are joined again, those left meanwhile are not', async (t) => {
  const s = setup(t)
  const changes = []
  let socket = await s.connect()
  const a = s.client.room('a')
  const b = s.client.room('b')
  a.onState(({ state }) => changes.push(state))
  await settle()
  socket.ack(socket.take()[0], { rooms: [{ room: 'a' }, { room: 'b' }], refused: [] })
  const promise = a.joined
  socket.end()
  assert.notEqual(a.joined, promise)
  b.leave()
  await s.clock.advance(600)
  socket = await s.accept()
  const [join] = socket.take()
  assert.deepEqual(join.data, { rooms: ['a'] })
  socket.ack(join, { rooms: [{ room: 'a' }], refused: [] })
  await a.joined
  assert.deepEqual(changes, ['joined', 'joining', 'joined'])
})

test('many rooms are joined in several requests', async (t) => {
  const s = setup(t)
  for (let i = 0; i < 300; i++) s.client.room(`room ${i}`)
  const socket = await s.connect({ maxPayload: 131072 })
  assert.deepEqual(socket.take().map(({ data }) => data.rooms.length), [128, 128, 44])
})

test('messages reach the handles of their room and those for any room, once', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const calls = []
  const a = s.client.room('a')
  a.on('say', (data, { room, from }) => calls.push(['a', data, room, from?.id]))
  a.onMessage(() => calls.push(['a, all']))
  s.client.room('b').onMessage(() => calls.push(['b']))
  s.client.on('say', (data) => calls.push(['any', data]))
  socket.receive({ event: 'say', data: 1, room: 'a', from: { id: 'x', userId: 'ann' } })
  assert.deepEqual(calls.splice(0), [['a', 1, 'a', 'x'], ['a, all'], ['any', 1]])
  socket.receive({ event: 'say', data: 2 })
  assert.deepEqual(calls.splice(0), [['any', 2]])
  a.on('say', () => a.leave())
  a.on('say', () => calls.push(['after leave']))
  socket.receive({ event: 'say', data: 3, room: 'a' })
  assert.deepEqual(calls, [['a', 3, 'a', undefined], ['any', 3]])
})

test('close rejects the rooms that wait, and connect joins them', async (t) => {
  const s = setup(t)
  const a = s.client.room('a')
  const first = outcome(a.joined)
  s.client.connect()
  await settle()
  s.client.close()
  await settle()
  assert.equal(first.code, 'closed')
  s.client.connect()
  const socket = await s.accept()
  const second = outcome(a.joined)
  socket.ack(socket.take()[0], { rooms: [{ room: 'a' }], refused: [] })
  await settle()
  assert.equal(second.count, 1)
  assert.equal(second.code, undefined)
})

test('rooms about which the server cannot decide are asked for again, in one batch with growing delays', async (t) => {
  t.mock.method(Math, 'random', () => 0.999)
  const s = setup(t)
  const names = Array.from({ length: 300 }, (_, i) => `room${i}`)
  const rooms = names.map((name) => s.client.room(name))
  const changes = []
  rooms[0].onState(({ state, reason }) => changes.push([state, reason?.code, reason?.text]))
  const socket = await s.connect({ maxPayload: 100_000 })
  const codes = ['unavailable', 'rate_limited', 'timeout']
  for (const delay of [500, 1000, 2000, 4000]) {
    const joins = socket.take()
    assert.deepEqual(joins.flatMap(({ data }) => data.rooms).sort(), [...names].sort())
    assert.equal(joins.length, 3)
    for (const join of joins) socket.ack(join, { rooms: [], refused: join.data.rooms.map((room, i) => ({ room, code: codes[i % 3], message: 'Later.' })) })
    assert.equal(rooms[1].state, 'joining')
    // Neither other calls nor another handle make the client ask earlier.
    s.client.room('room0')
    outcome(s.client.send('say'))
    await s.clock.advance(delay - 10)
    assert.deepEqual(socket.take().map(({ event }) => event), ['say'])
    await s.clock.advance(10)
  }
  for (const join of socket.take()) socket.ack(join, { rooms: join.data.rooms.map((room) => ({ room })) })
  await Promise.all(rooms.map(({ joined }) => joined))
  assert.deepEqual(changes, [...Array(4).fill(['joining', 'unavailable', 'Later.']), ['joined', undefined, undefined]])
  await s.clock.advance(5000)
  assert.deepEqual(socket.take(), [])
})

test('an undecided room that is left, or refused for good, is not asked for again', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const [a, b] = [s.client.room('a'), s.client.room('b')]
  await settle()
  socket.receive({ event: 'error', id: socket.take()[0].id, data: { code: 'unavailable' } })
  a.leave()
  await settle()
  assert.deepEqual(events(socket.take()), ['leave'])
  await s.clock.advance(500)
  const [join] = socket.take()
  assert.deepEqual(join.data, { rooms: ['b'] })
  socket.ack(join, { rooms: [], refused: [{ room: 'b', code: 'forbidden' }] })
  assert.equal(b.state, 'refused')
  await s.clock.advance(60_000)
  assert.deepEqual(socket.take(), [])
})

test('a message to a room that is not joined yet never fails with forbidden', async (t) => {
  const s = setup(t)
  const socket = await s.connect()
  const room = s.client.room('a')
  const forbid = (message) => socket.receive({ event: 'error', id: message.id, data: { code: 'forbidden', message: 'Join the room first' } })
  const sent = outcome(room.send('say', 1))
  const [join, say] = socket.take()
  socket.ack(join, { rooms: [], refused: [{ room: 'a', code: 'unavailable', message: 'Later.' }] })
  forbid(say)
  const later = outcome(room.send('say', 2))
  forbid(socket.take()[0])
  await settle()
  assert.deepEqual([sent.code, sent.error.text, later.code], ['unavailable', 'Later.', 'unavailable'])
  await s.clock.advance(500)
  const [again] = socket.take()
  socket.ack(again, { rooms: [{ room: 'a' }] })
  const denied = outcome(room.send('say', 3))
  forbid(socket.take()[0])
  await settle()
  assert.equal(denied.code, 'forbidden')
})

test('after a refresh, rooms that the new token does not allow are refused', async (t) => {
  const s = setup(t, { token: () => 'token' })
  const a = s.client.room('a')
  const socket = await s.connect()
  socket.ack(socket.take()[0], { rooms: [{ room: 'a' }], refused: [] })
  socket.receive({ event: 'expiring', data: {} })
  await settle()
  socket.ack(socket.take()[0], {})
  socket.ack(socket.take()[0], { rooms: [], refused: [{ room: 'a', code: 'forbidden' }] })
  assert.equal(a.state, 'refused')
  await assert.rejects(a.joined, { code: 'forbidden' })
})
