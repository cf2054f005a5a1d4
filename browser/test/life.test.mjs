// The client on a page of an application, from /ignis.js: what browsers do to pages.

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { application } from '../lib/app.mjs'
import { tab } from '../lib/browser.mjs'
import { suite } from '../lib/suite.mjs'
import { startChromium } from '../../sdk/ts/test/support/chromium.mjs'

suite('the life of a page', (use) => {
  const applications = []
  afterEach(() => applications.splice(0).forEach((app) => app.close()))

  async function open(options) {
    const app = await application(use.server, options)
    applications.push(app)
    return app
  }
  const visit = async (app, options) => use.keep(await tab(use.browser(), app.url(options)))

  /** Waits until the log contains an entry with these fields. */
  const logged = (page, fields) =>
    page.waitForFunction((want) => globalThis.log?.some((entry) => Object.entries(want).every(([key, value]) => entry[key] === value)), fields)
  const log = (page) => page.evaluate(() => globalThis.log)
  const forget = (page) => page.evaluate(() => void (globalThis.log.length = 0))
  const send = (page, text) => page.evaluate((text) => globalThis.lobby.send('say', { text }), text)

  test('a page on another origin uses /ignis.js', async () => {
    const app = await open()
    const ann = await visit(app)
    const ben = await visit(app)
    await logged(ann, { room: 'joined' })
    await logged(ben, { room: 'joined' })
    await send(ben, 'hello')
    await logged(ann, { text: 'hello' })
  })

  test('tokens are renewed before they expire', async () => {
    const app = await open({ lifetime: 5 })
    const ann = await visit(app)
    await logged(ann, { room: 'joined' })
    const [id, expires] = await ann.evaluate(() => [client.id, client.connection.expires])
    await ann.waitForFunction(() => asked.filter((reason) => reason === 'refresh').length >= 2)
    await ann.waitForFunction((before) => client.connection.expires > before, expires)
    assert.equal(await ann.evaluate(() => client.id), id, 'it is still the same connection')
    assert.deepEqual(await ann.evaluate(() => asked.filter((reason) => reason !== 'refresh')), ['connect'])
    assert.deepEqual((await log(ann)).map(({ state, room }) => state ?? room), ['connecting', 'connected', 'joined'])
  })

  test('a session that has expired is renewed on the next connection', async () => {
    const app = await open({ lifetime: 2 })
    const ann = await visit(app)
    await logged(ann, { room: 'joined' })
    // The application does not answer until the session is over.
    let answer
    const over = new Promise((resolve) => (answer = resolve))
    await ann.route('**/token', (route) => over.then(() => route.continue()))
    await logged(ann, { state: 'waiting', code: 'expired', closeCode: 4005 })
    await forget(ann)
    answer()
    await logged(ann, { state: 'connected', missed: true })
    await logged(ann, { room: 'joined' })
  })

  // Not with playwright, which keeps every page visible: only hidden pages can be frozen.
  test('a frozen page', async (t) => {
    const app = await open()
    const openTab = await startChromium(t)
    const joined = `globalThis.log?.some(({ room }) => room === 'joined')`
    const ann = await openTab(app.url())
    await ann.until(joined)
    await ann.evaluate('log.length = 0')
    const ben = await openTab(app.url()) // hides the first tab
    await ben.until(joined)
    const send = (text) => ben.evaluate(`lobby.send('say', { text: '${text}' }).then(() => 'answered')`)

    await ann.call('Page.setWebLifecycleState', { state: 'frozen' })
    assert.equal(await send('sent while ann was frozen'), 'answered')
    await ann.call('Page.setWebLifecycleState', { state: 'active' })
    await ann.until(`log.some(({ state, missed }) => state === 'connected' && missed)`)
    await ann.until(joined)
    const entries = await ann.evaluate('log')
    assert.deepEqual(entries.map(({ state }) => state).filter(Boolean), ['suspended', 'connecting', 'connected'])
    assert.ok(!entries.some(({ text }) => text), 'what was sent meanwhile does not arrive late')
    assert.equal(await send('after that'), 'answered')
    await ann.until(`log.some(({ text }) => text === 'after that')`)
  })

  test('a page from the back/forward cache', async () => {
    const app = await open()
    const ann = await visit(app)
    const ben = await visit(app)
    await logged(ann, { room: 'joined' })
    await logged(ben, { room: 'joined' })
    await forget(ann)
    await ann.goto(new URL('/other', ann.url()).href)
    await send(ben, 'sent while ann was elsewhere')
    await ann.goBack({ waitUntil: 'commit' })
    await logged(ann, { page: 'from the cache' })
    await logged(ann, { state: 'connected', missed: true })
    await logged(ann, { room: 'joined' })
    assert.deepEqual((await log(ann)).map(({ state }) => state).filter(Boolean), ['suspended', 'connecting', 'connected'])
    await send(ben, 'after that')
    await logged(ann, { text: 'after that' })
  })

  test('a client that was closed stays closed when the page returns', async () => {
    const app = await open()
    const ann = await visit(app)
    await logged(ann, { room: 'joined' })
    await ann.evaluate(() => client.close())
    await ann.goto(new URL('/other', ann.url()).href)
    await ann.goBack({ waitUntil: 'commit' })
    await logged(ann, { page: 'from the cache' })
    await ann.ownContext.setOffline(true)
    await ann.ownContext.setOffline(false)
    await ann.waitForFunction(() => navigator.onLine)
    assert.equal(await ann.evaluate(() => client.state), 'closed')
    assert.deepEqual(await ann.evaluate(() => asked), ['connect'])
  })

  test('a network that comes back is used at once', async () => {
    const app = await open()
    // By itself, the client would try again in an hour.
    const ann = await visit(app, { reconnect: { minDelay: 7.2e6, maxDelay: 7.2e6 } })
    await logged(ann, { room: 'joined' })
    await ann.ownContext.setOffline(true)
    await app.server.stop('SIGKILL')
    await logged(ann, { state: 'waiting' })
    await app.restart()
    await forget(ann)
    await ann.ownContext.setOffline(false)
    await logged(ann, { state: 'connected', missed: true })
    await logged(ann, { room: 'joined' })
  })
})
