import assert from 'node:assert/strict'
import { test } from 'node:test'
import { held } from './support/locks.mjs'
import { fakeServer } from './support/automatic.mjs'
import { sharedClient } from '../dist/tabs.js'

/** Waits until fn returns something. Channels between tabs take some time. */
async function until(fn) {
  for (const deadline = Date.now() + 10_000; ; ) {
    const value = fn()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`not true: ${fn}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Makes the clients of several tabs, and checks at the end that nothing is left of them. */
function tabs(t, server, count, options = {}) {
  const url = new URL('ws://fake/' + t.name).href
  const clients = Array.from({ length: count }, () => sharedClient(url, { WebSocket: server.WebSocket, reconnect: { minDelay: 1, maxDelay: 1 }, ...options }))
  t.after(async () => {
    clients.forEach((client) => client.close())
    await until(() => !held().some((name) => name.startsWith(`ignis ${url} ${options.group ?? ''}`)))
    await until(() => held().length || !server.sockets.size)
  })
  return clients
}

async function connect(clients) {
  for (const client of clients) await client.connect() // one after the other: the first leads
}

const joins = (server) => server.sent('join').flatMap(({ rooms }) => rooms)
const leaves = (server) => server.sent('leave').flatMap(({ rooms }) => rooms)

test('all tabs have one connection, and know the same ID', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 3)
  await Promise.all(clients.map((client) => client.connect()))
  assert.equal(server.sent('authenticate').length, 1)
  assert.deepEqual(clients.map(({ id, protocol }) => [id, protocol]), Array(3).fill(['c1', 2]))
})

test('tabs share rooms, and hear only of theirs', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 3)
  const heard = []
  clients.forEach((client, i) => client.onMessage(({ data, room }) => heard.push([i, data, room])))
  await connect(clients)
  const [a, b] = [clients[0].room('a'), clients[1].room('a')]
  await Promise.all([a.joined, b.joined, clients[2].room('b').joined])
  assert.deepEqual(joins(server).sort(), ['a', 'b'])
  server.emit({ event: 'say', data: 1, room: 'a' })
  server.emit({ event: 'say', data: 2 })
  server.emit({ event: 'say', data: 3, room: 'not asked for' })
  await until(() => heard.length === 8)
  const of = (i) => heard.filter(([j]) => j === i).map(([, data]) => data)
  assert.deepEqual([of(0), of(1), of(2)], [[1, 2, 3], [1, 2, 3], [2, 3]])
  a.leave()
  await clients[0].send('say') // after the leave
  assert.deepEqual(leaves(server), [])
  b.leave()
  await until(() => leaves(server).length)
  assert.deepEqual(leaves(server), ['a'])
})

test('a tab that is closed leaves its rooms', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 2)
  await connect(clients)
  await Promise.all([clients[0].room('a').joined, clients[1].room('a').joined, clients[1].room('b').joined])
  clients[1].close()
  await until(() => leaves(server).length)
  assert.deepEqual(leaves(server), ['b'])
  assert.equal(clients[0].state, 'connected')
})

test('requests are answered in the tab that sent them', async (t) => {
  const server = fakeServer({ refuse: ['staff'] })
  server.answer = ({ data }) => (data === 'bad' ? { event: 'error', data: { code: 'forbidden', message: 'not you' } } : { event: 'ack', data })
  const clients = tabs(t, server, 2)
  await connect(clients)
  const all = clients.flatMap((client, i) => [0, 1, 2].map((j) => client.send('say', [i, j])))
  assert.deepEqual(await Promise.all(all), [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
  await assert.rejects(clients[1].send('say', 'bad'), { code: 'forbidden', message: /^[^:]+: not you$/ })
  await assert.rejects(clients[1].room('staff').joined, { code: 'forbidden' })
  await clients[1].send('move', { x: 1 }, { volatile: true, room: 'a' })
  const move = await until(() => server.frames.find(({ event }) => event === 'move'))
  assert.deepEqual(move, { event: 'move', data: { x: 1 }, room: 'a' })
})

test('if the leader is closed, another tab leads, and requests without an answer are lost', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 3)
  await connect(clients)
  const rooms = clients.map((client) => client.room('a'))
  await Promise.all(rooms.map(({ joined }) => joined))
  server.answer = () => undefined
  const results = clients.map((client) => client.send('say', 1).catch(({ code }) => code))
  await until(() => server.sent('say').length === 3)
  const changes = clients.slice(1).map((client) => new Promise((resolve) => client.onState((change) => change.state === 'connected' && resolve(change))))
  clients[0].close()
  assert.deepEqual((await Promise.all(changes)).map(({ missed }) => missed), [true, true])
  assert.deepEqual(await Promise.all(results), ['closed', 'lost', 'lost'])
  await Promise.all([rooms[1].joined, rooms[2].joined])
  assert.deepEqual(joins(server), ['a', 'a'])
  assert.deepEqual(clients.map(({ id }) => id), ['c1', 'c2', 'c2'])
  assert.equal(server.sockets.size, 1)
})

test('a lost connection is replaced for all tabs', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 2)
  await connect(clients)
  await Promise.all(clients.map((client) => client.room('a').joined))
  const reasons = clients.map((client) => new Promise((resolve) => client.onState(({ reason }) => reason && resolve(reason))))
  server.drop(4002)
  assert.deepEqual((await Promise.all(reasons)).map(({ code, closeCode }) => [code, closeCode]), Array(2).fill(['lost', 4002]))
  await until(() => clients.every(({ state, id }) => state === 'connected' && id === 'c2'))
  await until(() => joins(server).length === 2)
})

test('while there is no leader, messages wait, and those to the previous leader are lost or sent again', async (t) => {
  const server = fakeServer()
  const [leader, client] = tabs(t, server, 2)
  await connect([leader, client])
  const waiting = new Promise((resolve) => client.onState(({ state }) => state === 'waiting' && resolve(client.send('say', 3))))
  leader.close()
  const results = [client.send('say', 1).catch(({ code }) => code), client.send('say', 2, { retry: true }), waiting]
  assert.deepEqual(await Promise.all(results), ['lost', 2, 3])
  assert.deepEqual(server.sent('say'), [2, 3])
})

test('refused credentials close all tabs, and other credentials open them again', async (t) => {
  const server = fakeServer({ close: 4003 })
  const asked = []
  const clients = tabs(t, server, 2, { token: ({ reason }) => (asked.push(reason), 'old') })
  const [first, second] = clients.map((client) => client.connect())
  await assert.rejects(first, { code: 'rejected', closeCode: 4003, message: /^The connection was closed: 4003 "bad token"; check the credentials/ })
  await assert.rejects(second, { code: 'rejected' })
  assert.deepEqual(asked, ['connect', 'rejected'])
  assert.deepEqual(clients.map(({ state }) => state), ['closed', 'closed'])
  await until(() => !held().length)
  server.close = undefined
  await connect([clients[1]])
  assert.equal(clients[0].state, 'closed')
})

test('what the server says reaches all tabs', async (t) => {
  const said = { message: 'Closed "today".', code: 'not_found' }
  const server = fakeServer({ close: 4003, said, refuse: ['b'] })
  const clients = tabs(t, server, 2, { token: 'old' })
  const told = { code: 'rejected', closeCode: 4003, text: said.message, serverCode: said.code, message: /^The connection was closed: 4003 "Closed "today"."; check the credentials/ }
  await Promise.all(clients.map((client) => client.connect()).map((connecting) => assert.rejects(connecting, told)))
  server.close = undefined
  await until(() => !held().length)
  await connect(clients)
  const refused = { code: 'not_found', text: said.message, serverCode: 'not_found', message: 'Refused: Closed "today".' }
  await Promise.all(clients.map((client) => assert.rejects(client.room('b').joined, refused)))
  server.answer = () => ({ event: 'error', data: said })
  await Promise.all(clients.map((client) => assert.rejects(client.send('say'), refused)))
  server.answer = () => ({ event: 'error', data: { code: 'forbidden' } })
  await assert.rejects(clients[1].send('say'), { code: 'forbidden', text: undefined, message: 'Refused: forbidden' })
})

test('a request with retry has the same id each time, and is not sent twice on a connection', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 2, { token: () => 'token' })
  await connect(clients)
  const ids = () => server.frames.filter(({ event }) => event === 'say').map(({ id }) => id)
  server.answer = () => undefined
  const result = clients[1].send('say', 1, { retry: true })
  await until(() => ids().length === 1)
  server.answer = undefined
  server.drop()
  assert.equal(await result, 1)
  assert.equal(ids().length, 2)
  assert.equal(ids()[0], ids()[1])

  // The socket of the tab ends, and the connection does not.
  server.answer = () => undefined
  const room = clients[1].room('a')
  await room.joined
  const repeated = clients[1].send('say', 2, { retry: true })
  await until(() => ids().length === 3)
  const again = new Promise((resolve) => clients[1].onState(({ state }) => state === 'connected' && resolve()))
  server.refuse.push('a')
  server.emit({ event: 'expiring', data: {} })
  await again
  await clients[1].send('other') // after the one that is repeated
  const [{ id }] = server.frames.filter(({ event }) => event === 'say').slice(-1)
  server.emit({ event: 'ack', data: 'late', id })
  assert.equal(await repeated, 'late')
  assert.equal(ids().length, 3)
})

test('closeAll closes the clients of all tabs of the group', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 3, { group: 'ann' })
  const [other] = tabs(t, server, 1, { group: 'ben' })
  await connect([...clients, other])
  assert.equal(server.sockets.size, 2)
  clients[1].closeAll()
  await until(() => clients.every(({ state }) => state === 'closed'))
  await until(() => server.sockets.size === 1)
  assert.equal(other.state, 'connected')
  await connect(clients)
  assert.deepEqual(clients.map(({ id }) => id), ['c3', 'c3', 'c3'])
})

test('a provider that fails is reported, and asked again', async (t) => {
  const server = fakeServer()
  let calls = 0
  const token = () => {
    if (!calls++) throw new Error('offline')
    return 'token'
  }
  const [client] = tabs(t, server, 1, { token })
  const errors = []
  client.onError((error) => errors.push(error.message))
  await client.connect()
  assert.deepEqual(errors, ['No credentials: Error: offline'])
  assert.deepEqual(server.sent('authenticate')[0].token, 'token')
})

test('a tab that loses a room by a refresh learns of it', async (t) => {
  const server = fakeServer()
  const [leader, client] = tabs(t, server, 2, { token: () => 'token' })
  await connect([leader, client])
  const [own, room] = [leader.room('own'), client.room('staff')]
  await Promise.all([own.joined, room.joined])
  server.refuse.push('staff')
  server.emit({ event: 'expiring', data: {} })
  await until(() => room.state === 'refused')
  assert.deepEqual([leader.state, own.state, server.sockets.size], ['connected', 'joined', 1])
})

test('a tab that does not react loses the lead', async (t) => {
  const server = fakeServer()
  const [first, second] = tabs(t, server, 2)
  const name = `ignis ${new URL('ws://fake/' + t.name).href} `
  const hanging = navigator.locks.request(name, {}, () => new Promise(() => {})) // a tab without a hub
  const robbed = assert.rejects(hanging, { name: 'AbortError' })
  await connect([first, second])
  await robbed
  assert.equal(server.sockets.size, 1)
  // The first tab leads now. When it is robbed in turn, it follows.
  const before = second.id
  const stop = new AbortController()
  const third = navigator.locks.request(name, { steal: true }, () => new Promise((resolve) => stop.signal.addEventListener('abort', resolve)))
  await until(() => server.sockets.size === 0)
  stop.abort()
  await third
  await until(() => [first, second].every(({ state, id }) => state === 'connected' && id !== before))
  assert.equal(server.sockets.size, 1)
})

test('tabs share a connection to a server of protocol 1', async (t) => {
  const server = fakeServer({ protocol: 1 })
  const clients = tabs(t, server, 2)
  await connect(clients)
  const heard = []
  const room = clients[1].room('a')
  room.on('say', (data, message) => heard.push(message))
  clients[0].room('b').on('say', () => heard.push('in the other room'))
  await room.joined
  assert.equal(await room.send('say', { text: 'hi' }), undefined)
  assert.deepEqual(server.frames.at(-1), { event: 'say', data: { room: 'a', text: 'hi' } })
  server.emit({ event: 'say', data: { room: 'a', text: 'hello' } })
  await until(() => heard.length)
  assert.deepEqual(heard.map(({ data, room }) => [data.text, room]), [['hello', 'a']])
  assert.equal(server.sent('authenticate').length, 1)
})

test('without Web Locks, each client has its own connection', async (t) => {
  const { locks } = navigator
  t.after(() => (navigator.locks = locks))
  navigator.locks = undefined
  const server = fakeServer()
  const clients = tabs(t, server, 2)
  await connect(clients)
  assert.equal(server.sockets.size, 2)
  clients[0].closeAll()
  assert.deepEqual(clients.map(({ state }) => state), ['closed', 'connected'])
})

test('while leaders and connections come and go, each request is settled and none is sent twice', async (t) => {
  const server = fakeServer()
  const clients = tabs(t, server, 4)
  const heard = clients.map(() => [])
  clients.forEach((client, i) => client.room('a').on('moved', (n) => heard[i].push(n)))
  await connect(clients)
  const results = []
  const codes = new Set()
  for (let step = 0; step < 400; step++) {
    const client = clients[step % 4]
    const n = step
    results.push(client.send('say', n).then((reply) => assert.equal(reply, n), ({ code }) => codes.add(code)))
    if (step % 23 === 5) server.drop()
    if (step % 31 === 7) {
      const leaving = clients[step % 3] // the last one stays
      leaving.close()
      leaving.connect()
    }
    if (step % 3 === 0) await new Promise((resolve) => setTimeout(resolve))
    server.emit({ event: 'moved', data: n, room: 'a' })
  }
  await Promise.all(results)
  assert.deepEqual([...codes].filter((code) => code !== 'lost' && code !== 'closed'), [])
  await until(() => clients.every(({ state }) => state === 'connected'))
  const sent = server.sent('say')
  assert.equal(new Set(sent).size, sent.length)
  for (const numbers of heard) assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), 'once, in order')
  const rooms = clients.map((client) => client.room('a').joined)
  await Promise.all(rooms)
  const before = heard.map(({ length }) => length)
  server.emit({ event: 'moved', data: 1000, room: 'a' })
  await until(() => heard.every(({ length }, i) => length === before[i] + 1))
  assert.equal(server.sockets.size, 1)
})

test('a room about which the server cannot decide holds up no other, and is joined later', async (t) => {
  const said = { code: 'unavailable', message: 'Later.' }
  const server = fakeServer({ refuse: ['a'], said })
  const [leader, client] = tabs(t, server, 2)
  await connect([leader, client])
  const [a, b] = [client.room('a'), client.room('b')]
  const reasons = []
  a.onState(({ state, reason }) => reasons.push([state, reason?.code, reason?.text]))
  await b.joined
  await until(() => reasons.length > 1)
  assert.deepEqual(reasons.slice(0, 2), Array(2).fill(['joining', 'unavailable', 'Later.']))
  server.refuse.pop()
  await a.joined
  assert.equal(server.sockets.size, 1)
})
