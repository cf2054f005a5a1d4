import assert from 'node:assert/strict'
import test from 'node:test'
import { container } from './support/dom.mjs'
import { settle, start } from './support/automatic.mjs'
import { Chat, flushSync, get, ignisStore, mount, roomStore, unmount } from './support/svelte.mjs'

async function show(props) {
  const element = container()
  const component = mount(Chat, { target: element, props })
  await settle()
  flushSync()
  const hide = async () => {
    await unmount(component)
    await settle()
  }
  return { element, hide }
}

test('components show the state, share a room and leave it when the last one is removed', async (t) => {
  const { server, client } = await start(t)
  const calls = []
  const props = { client, onSay: (data) => calls.push(data) }
  const [first, second] = [await show(props), await show(props)]
  assert.equal(first.element.textContent, 'connected joined ;')
  assert.deepEqual(server.sent('join'), [{ rooms: ['lobby'] }])
  server.emit({ event: 'say', data: 1, room: 'lobby' })
  await settle()
  assert.equal(first.element.textContent, 'connected joined 1;')
  await first.hide()
  assert.deepEqual(server.sent('leave'), [])
  server.emit({ event: 'say', data: 2, room: 'lobby' })
  await settle()
  assert.equal(second.element.textContent, 'connected joined 1,2;')
  await second.hide()
  assert.deepEqual(server.sent('leave'), [{ rooms: ['lobby'] }])
  server.emit({ event: 'say', data: 3, room: 'lobby' })
  await settle()
  assert.deepEqual(calls, [1, 1, 2])
})

test('stores follow the connection, refusals and the end of it', async (t) => {
  const { server, client } = await start(t, { refuse: ['staff'] })
  const states = []
  const stop = [
    ignisStore(client).subscribe(({ state }) => states.push(state)),
    roomStore(client, 'lobby').subscribe(({ state }) => states.push('lobby ' + state)),
    roomStore(client, 'staff').subscribe(({ state, reason }) => states.push('staff ' + state + (reason ? ' ' + reason.code : ''))),
  ]
  await settle()
  assert.deepEqual(states.splice(0), ['connected', 'lobby joining', 'staff joining', 'lobby joined', 'staff refused forbidden'])
  const reconnected = new Promise((resolve) => client.onState(({ state }) => state === 'connected' && resolve()))
  server.drop()
  await reconnected
  await settle()
  assert.deepEqual(states.splice(0), ['waiting', 'lobby joining', 'connecting', 'connected', 'staff joining', 'lobby joined', 'staff refused forbidden'])
  stop.forEach((fn) => fn())
  client.close()
  assert.deepEqual(states, [])
})

test('a room without subscribers is not joined', async (t) => {
  const { server, client } = await start(t)
  const room = roomStore(client, 'lobby')
  assert.deepEqual(get(room).state, 'joining') // subscribes for a moment
  await settle()
  assert.deepEqual(server.sent('join'), [])
  assert.deepEqual(await room.send('say', 1), 1)
  assert.equal(server.frames.at(-1).room, 'lobby')
})
