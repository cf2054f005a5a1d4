import assert from 'node:assert/strict'
import test from 'node:test'
import { container } from './support/dom.mjs'
import { settle, start } from './support/automatic.mjs'
import { createApp, createSSRApp, effectScope, h, ref } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { useEvents, useIgnis, useRoom } from '../dist/vue.js'

/** Shows a component, and returns its element and the function that removes it. */
async function show(t, component) {
  const element = container()
  const app = createApp(component)
  app.config.warnHandler = (text) => assert.fail(text)
  app.mount(element)
  await settle()
  const hide = async () => {
    app.unmount()
    await settle()
  }
  return { element, hide }
}

const chat = (client, name, onSay = () => {}) => ({
  setup() {
    const state = useIgnis(client)
    const said = ref([])
    const { status } = useRoom(client, name, {
      say(data) {
        said.value.push(data)
        onSay(data)
      },
    })
    return () => `${state.value.state} ${status.value.state} ${said.value.join()};`
  },
})

test('components show the state, share a room and leave it when the last one is removed', async (t) => {
  const { server, client } = await start(t)
  const calls = []
  const both = chat(client, 'lobby', (data) => calls.push(data))
  const first = await show(t, { render: () => [h(both), h(both)] })
  const second = await show(t, both)
  assert.equal(first.element.textContent, 'connected joined ;connected joined ;')
  assert.deepEqual(server.sent('join'), [{ rooms: ['lobby'] }])
  server.emit({ event: 'say', data: 1, room: 'lobby' })
  await settle()
  assert.equal(first.element.textContent, 'connected joined 1;connected joined 1;')
  await first.hide()
  assert.deepEqual(server.sent('leave'), [])
  server.emit({ event: 'say', data: 2, room: 'lobby' })
  await settle()
  assert.equal(second.element.textContent, 'connected joined 1,2;')
  await second.hide()
  assert.deepEqual(server.sent('leave'), [{ rooms: ['lobby'] }])
  server.emit({ event: 'say', data: 3, room: 'lobby' })
  await settle()
  assert.deepEqual(calls, [1, 1, 1, 2])
})

test('useRoom follows a name that changes, and the connection', async (t) => {
  const { server, client } = await start(t, { refuse: ['staff'] })
  const name = ref('a')
  const { element, hide } = await show(t, chat(client, name))
  name.value = 'b'
  await settle()
  assert.deepEqual(server.sent('join'), [{ rooms: ['a'] }, { rooms: ['b'] }])
  assert.deepEqual(server.sent('leave'), [{ rooms: ['a'] }])
  const reconnected = new Promise((resolve) => client.onState(({ state }) => state === 'connected' && resolve()))
  server.drop()
  await reconnected
  await settle()
  assert.equal(element.textContent, 'connected joined ;')
  name.value = 'staff'
  await settle()
  assert.equal(element.textContent, 'connected refused ;')
  name.value = null
  await settle()
  assert.equal(element.textContent, 'connected left ;')
  await hide()
})

test('a scope without a component ends what it began', async (t) => {
  const { server, client } = await start(t)
  const scope = effectScope()
  const calls = []
  const { status, send } = scope.run(() => {
    useEvents(client, { say: (data) => calls.push(data) })
    return useRoom(client, 'lobby')
  })
  await settle()
  assert.equal(status.value.state, 'joined')
  assert.deepEqual(await send('say', 1), 1)
  assert.equal(server.frames.at(-1).room, 'lobby')
  server.emit({ event: 'say', data: 2 })
  await settle()
  scope.stop()
  server.emit({ event: 'say', data: 3 })
  await settle()
  assert.deepEqual(calls, [2])
  assert.deepEqual(server.sent('leave'), [{ rooms: ['lobby'] }])
})

test('on a server, nothing is joined or followed', async (t) => {
  const { client } = await start(t)
  const opened = t.mock.method(client, 'room')
  const html = await renderToString(createSSRApp(chat(client, 'lobby')))
  assert.match(html, /connected joining/)
  assert.equal(opened.mock.callCount(), 0)
})
