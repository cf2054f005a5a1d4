import assert from 'node:assert/strict'
import test from 'node:test'
import { container } from './support/dom.mjs'
import { fakeServer, settle } from './support/automatic.mjs'
import { act, createElement as h, StrictMode, useState, startTransition, Suspense, use } from 'react'
import { createRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { Client } from '../dist/index.js'
import { useEvents, useIgnis, useRoom } from '../dist/react.js'

globalThis.IS_REACT_ACT_ENVIRONMENT = true

/** Calls fn, and renders until nothing changes. */
async function run(fn) {
  await act(async () => {
    await fn()
    await settle()
  })
  await act(settle) // effects run at the end of act
}

async function start(t, options) {
  const server = fakeServer(options)
  const client = new Client('ws://fake', { WebSocket: server.WebSocket, reconnect: { minDelay: 1, maxDelay: 1 } })
  const element = container()
  const root = createRoot(element)
  const errors = t.mock.method(console, 'error')
  t.after(async () => {
    await run(async () => root.unmount())
    client.close()
    assert.deepEqual(errors.mock.calls.map(({ arguments: [text] }) => String(text)), [])
  })
  return { server, client, root, element, show: (node) => run(async () => root.render(h(StrictMode, null, node))) }
}

function Status({ client }) {
  const { state, reason } = useIgnis(client)
  return `${state}${reason ? ': ' + reason.code : ''};`
}

function Chat({ client, name = 'lobby', onSay }) {
  const [said, setSaid] = useState([])
  const room = useRoom(client, name, {
    say(data) {
      setSaid((all) => [...all, data.text])
      onSay?.(data)
    },
  })
  return `${room.state}${room.reason ? ': ' + room.reason.code : ''} ${said.join()};`
}

test('useIgnis renders the state of the client', async (t) => {
  const { server, client, element, show } = await start(t)
  await show([h(Status, { client, key: 1 })])
  assert.equal(element.textContent, 'idle;')
  await run(() => client.connect())
  assert.equal(element.textContent, 'connected;')
  server.close = 4003
  await run(() => server.drop(4003))
  assert.equal(element.textContent, 'closed: rejected;')
  // A component that is added later knows why, too.
  await show([h(Status, { client, key: 1 }), h(Status, { client, key: 2 })])
  assert.equal(element.textContent, 'closed: rejected;closed: rejected;')
})

test('useRoom joins once in spite of double effects, shares the room, and leaves at the end', async (t) => {
  const { server, client, element, show } = await start(t)
  await run(() => client.connect())
  await show([h(Chat, { client, key: 1 }), h(Chat, { client, key: 2 })])
  assert.equal(element.textContent, 'joined ;joined ;')
  assert.deepEqual(server.sent('join'), [{ rooms: ['lobby'] }])
  await run(() => server.emit({ event: 'say', data: { text: 'hi' }, room: 'lobby' }))
  assert.equal(element.textContent, 'joined hi;joined hi;')

  await show([h(Chat, { client, key: 1 })])
  assert.deepEqual(server.sent('leave'), [])
  await show(null)
  assert.deepEqual(server.sent('leave'), [{ rooms: ['lobby'] }])
  assert.equal(server.sent('join').length, 1)
})

test('useRoom follows the name, the connection and refusals', async (t) => {
  const { server, client, element, show } = await start(t, { refuse: ['staff'] })
  await run(() => client.connect())
  await show(h(Chat, { client, name: 'a' }))
  await show(h(Chat, { client, name: 'b' }))
  assert.deepEqual(server.sent('join'), [{ rooms: ['a'] }, { rooms: ['b'] }])
  assert.deepEqual(server.sent('leave'), [{ rooms: ['a'] }])
  await run(() => {
    server.drop()
    return new Promise((resolve) => client.onState(({ state }) => state === 'connected' && resolve()))
  })
  assert.equal(element.textContent, 'joined ;')
  assert.deepEqual(server.sent('join').at(-1), { rooms: ['b'] })
  await show(h(Chat, { client, name: 'staff' }))
  assert.equal(element.textContent, 'refused: forbidden ;')
  await show(h(Chat, { client, name: null }))
  assert.equal(element.textContent, 'left ;')
})

test('handlers are those of the latest render, and are not called after the end', async (t) => {
  const { server, client, show } = await start(t)
  await run(() => client.connect())
  const calls = []
  const say = (text) => run(() => server.emit({ event: 'say', data: { text }, room: 'lobby' }))
  await show(h(Chat, { client, onSay: ({ text }) => calls.push('first ' + text) }))
  await say('1')
  await show(h(Chat, { client, onSay: ({ text }) => calls.push('second ' + text) }))
  await say('2')
  await run(() => server.emit({ event: '__defineGetter__', room: 'lobby' }))
  await show(null)
  await say('3')
  assert.deepEqual(calls, ['first 1', 'second 2'])
  assert.equal(server.sent('join').length, 1)
})

test('a render that is abandoned neither joins nor changes the handlers', async (t) => {
  const { server, client, show } = await start(t)
  await run(() => client.connect())
  const calls = []
  const never = new Promise(() => {})
  const Page = ({ name, wait }) => {
    useRoom(client, name, { say: () => calls.push(name) })
    return wait ? use(never) : null
  }
  let go
  const App = () => {
    const [props, set] = useState({ name: 'a' })
    go = set
    return h(Page, props)
  }
  await show(h(Suspense, { fallback: null }, h(App)))
  await run(() => startTransition(() => go({ name: 'b', wait: true })))
  assert.deepEqual(server.sent('join'), [{ rooms: ['a'] }])
  await run(() => server.emit({ event: 'say', room: 'a' }))
  assert.deepEqual(calls, ['a'])
})

test('useEvents handles messages to any room and none', async (t) => {
  const { server, client, show } = await start(t)
  await run(() => client.connect())
  const calls = []
  const Events = () => {
    useEvents(client, { say: (data, { room }) => calls.push([data, room]) })
    return null
  }
  await show(h(Events))
  await run(() => server.emit({ event: 'say', data: 1 }))
  await run(() => server.emit({ event: 'say', data: 2, room: 'other' }))
  await show(null)
  await run(() => server.emit({ event: 'say', data: 3 }))
  assert.deepEqual(calls, [[1, undefined], [2, 'other']])
})

test('send sends to the room and returns the reply', async (t) => {
  const { server, client, show } = await start(t)
  await run(() => client.connect())
  let room
  const Sender = ({ name }) => {
    room = useRoom(client, name)
    return null
  }
  await show(h(Sender, { name: 'lobby' }))
  assert.deepEqual(await room.send('say', { text: 'hi' }), { text: 'hi' })
  assert.equal(server.frames.at(-1).room, 'lobby')
  await show(h(Sender, { name: null }))
  await assert.rejects(room.send('say', {}), TypeError)
})

test('on a server, nothing is joined', (t) => {
  const server = fakeServer()
  const client = new Client('ws://fake', { WebSocket: server.WebSocket })
  const opened = t.mock.method(client, 'room')
  const html = renderToString(h('p', null, h(Status, { client }), h(Chat, { client })))
  assert.match(html, /idle;.*joining/)
  assert.equal(opened.mock.callCount(), 0)
})
