// Tabs of a real browser, with a real server. All but the newest tab are in the background.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { servePages, skip, startChromium } from './support/chromium.mjs'
import { startProxy, startServer } from './support/server.mjs'

/** Opens tabs that share a connection and are in a room; the first one leads. */
async function open(t, count, options) {
  const server = await startServer(t)
  const proxy = await startProxy(t, server)
  const origin = await servePages(t)
  const openTab = await startChromium(t)
  const add = async () => {
    const tab = await openTab(origin)
    await tab.evaluate(join, proxy.url, options)
    await tab.until(() => lobby.state === 'joined')
    return tab
  }
  const tabs = []
  for (let i = 0; i < count; i++) tabs.push(await add())
  return { tabs, proxy, origin, add, id: await tabs[0].evaluate('client.id') }
}

/** In a page: connects and joins the room. */
async function join(url, options) {
  const { sharedClient } = await import('/dist/tabs.js')
  Object.assign(globalThis, { heard: [], results: [], states: [] })
  globalThis.client = sharedClient(url, { token: 'ann', reconnect: { minDelay: 20, maxDelay: 100 }, ...options })
  client.onState(({ state, missed }) => states.push(state + (missed ? ' missed' : '')))
  client.connect()
  globalThis.lobby = client.room('lobby')
  lobby.on('say', (data) => heard.push(data))
}

const all = (tabs, expression) => Promise.all(tabs.map((tab) => tab.evaluate(expression)))

/** Every tab sends a message, is answered, and hears those of all. */
async function talk(tabs, text) {
  const sent = await Promise.all(tabs.map((tab, i) => tab.evaluate((data) => lobby.send('say', data).then(() => data), text + i)))
  for (const tab of tabs) {
    await tab.until((count) => heard.length >= count, sent.length)
    assert.deepEqual((await tab.evaluate('heard.splice(0)')).sort(), sent)
  }
}

/** Waits until all tabs are in the room with a connection that is not the previous one. */
const again = (tabs, previous) => Promise.all(tabs.map((tab) => tab.until((id) => lobby.state === 'joined' && client.id !== id, previous)))

async function connections(proxy, count) {
  while (proxy.count() !== count) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('three tabs have one connection, and those that remain keep it', { skip }, async (t) => {
  const { tabs, proxy, id } = await open(t, 3)
  assert.deepEqual(await all(tabs, 'client.id'), [id, id, id])
  assert.equal(proxy.accepted, 1)
  await talk(tabs, 'hello ')
  await tabs.pop().call('Page.close')
  await talk(tabs, 'again ')
  assert.deepEqual([await all(tabs, 'client.id'), proxy.accepted], [[id, id], 1])
})

for (const [how, end] of Object.entries({
  'is closed': (tab) => tab.call('Page.close'),
  'is reloaded': (tab) => tab.call('Page.reload'),
  'leaves the page': (tab) => tab.goto('about:blank'),
  crashes: (tab) => void tab.call('Page.crash').catch(() => {}),
})) {
  test(`if the leader ${how}, another tab leads`, { skip }, async (t) => {
    const { tabs, proxy, id, add } = await open(t, 3)
    const [leader, ...others] = tabs
    await end(leader)
    await again(others, id)
    await talk(others, 'hello ')
    assert.deepEqual(await all(others, 'states.at(-1)'), ['connected missed', 'connected missed'])
    await connections(proxy, 1)
    assert.equal(proxy.accepted, 2)
    await talk([...others, await add()], 'three ')
    assert.equal(proxy.accepted, 2)
  })
}

test('a leader that is frozen hands over, and follows when it is back', { skip }, async (t) => {
  const { tabs, proxy, id } = await open(t, 2)
  const [leader, other] = tabs
  await leader.call('Page.setWebLifecycleState', { state: 'frozen' })
  await again([other], id)
  await talk([other], 'alone ')
  await leader.call('Page.setWebLifecycleState', { state: 'active' })
  await again([leader], id)
  assert.deepEqual(await leader.evaluate('states.slice(-3)'), ['suspended', 'connecting', 'connected missed'])
  await talk(tabs, 'both ')
  await connections(proxy, 1)
  assert.equal(proxy.accepted, 2)
})

test('requests without an answer are lost with the leader, also those of its own tab', { skip }, async (t) => {
  const { tabs, proxy, id } = await open(t, 2)
  proxy.stall()
  await all(tabs, `for (const text of ['a', 'b']) lobby.send('say', text).catch(({ code }) => results.push(code)); undefined`)
  await tabs[0].call('Page.setWebLifecycleState', { state: 'frozen' })
  await again(tabs.slice(1), id)
  await tabs[0].call('Page.setWebLifecycleState', { state: 'active' })
  await again(tabs, id)
  assert.deepEqual(await all(tabs, 'results'), [['lost', 'lost'], ['lost', 'lost']])
  await talk(tabs, 'hello ')
})

test('a leader that hangs loses the lead, and follows when it is back', { skip }, async (t) => {
  const { tabs, proxy, id } = await open(t, 2, { heartbeat: 2000 })
  const [leader, other] = tabs
  await leader.call('Debugger.enable')
  const hanging = leader.evaluate('debugger') // until it is resumed
  await again([other], id)
  await talk([other], 'alone ')
  await leader.call('Debugger.resume')
  await hanging
  await again([leader], id)
  await leader.evaluate('heard.splice(0)') // its old connection may have received what it missed
  await talk(tabs, 'both ')
  await connections(proxy, 1)
})

test('a leader in the back/forward cache hands over, and follows when it is back', { skip }, async (t) => {
  const { tabs, proxy, origin, id } = await open(t, 2)
  const [leader, other] = tabs
  await leader.evaluate('addEventListener("pageshow", (event) => (globalThis.persisted = event.persisted))')
  await leader.goto(origin + 'elsewhere')
  await again([other], id)
  await talk([other], 'alone ')
  await leader.evaluate('history.back()')
  await leader.until((origin) => location.href === origin && persisted, origin)
  await again([leader], id)
  await talk(tabs, 'both ')
  await connections(proxy, 1)
  assert.equal(proxy.accepted, 2)
})

test('a logout in one tab closes all', { skip }, async (t) => {
  const { tabs, proxy, id } = await open(t, 3)
  await tabs[1].evaluate('client.closeAll()')
  for (const tab of tabs) await tab.until(() => client.state === 'closed')
  await connections(proxy, 0)
  assert.equal(proxy.accepted, 1)
  await all(tabs, 'void client.connect()')
  await again(tabs, id)
  assert.equal(proxy.accepted, 2)
})
