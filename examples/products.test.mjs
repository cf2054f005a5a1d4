// Runs the examples that look like products, with two users each in Chromium.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip, startChromium } from '../sdk/ts/test/support/chromium.mjs'
import { looks } from './test/looks.mjs'
import { click, enter, fill, noRedis, start, text } from './test/support.mjs'

/** Moves the mouse over a page. */
const mouse = (tab, type, x, y) => tab.call('Input.dispatchMouseEvent', { type, x, y, button: type === 'mouseMoved' ? 'none' : 'left', clickCount: 1 })

test('cursors', { skip }, async (t) => {
  const { url, stop } = await start(t, 'cursors')
  const open = await startChromium(t)
  const ann = await open(url, { apart: true })
  await text(ann, 'Who are you?')
  await looks(ann, 'cursors-welcome')
  await enter(ann, 'Your name', 'Ann')
  await text(ann, 'connected')
  const ben = await open(url + '?name=Ben', { apart: true })
  await text(ben, 'Ann')
  await text(ann, 'Ben')

  // The cursor of the one is where it is on the screen of the other.
  await mouse(ben, 'mouseMoved', 640, 420)
  const expected = await ben.evaluate(() => Math.round(640 - board.getBoundingClientRect().left))
  await ann.until((x) => document.querySelector('.cursor')?.style.translate.startsWith(`${x}px `), expected)
  assert.equal(await ann.evaluate(() => document.querySelector('.cursor').innerText), 'Ben')

  // Notes appear, change, move and disappear on the other screen.
  await click(ann, 'New note')
  await ann.until(() => document.activeElement.matches('textarea'))
  await ann.evaluate(() => document.execCommand('insertText', false, 'Cake at four'))
  const shows = (words) => [...document.querySelectorAll('textarea')].some(({ value }) => value === words)
  await ben.until(shows, 'Cake at four')
  const left = () => [...document.querySelectorAll('.note')].find((note) => note.querySelector('textarea').value === 'Cake at four')?.offsetLeft
  const before = await ben.evaluate(left)
  await ann.evaluate(() => {
    const move = document.activeElement.closest('.note').querySelector('.move')
    move.focus()
    move.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))
  })
  await ben.until(`(${left})() === ${before + 24}`)
  await looks(ann, 'cursors')
  await ann.evaluate(() => document.activeElement.closest('.note').querySelector('.remove').click())
  await ben.until(`(${left})() === undefined`)

  // When Ben leaves, so does his cursor.
  await ben.goto('about:blank')
  await ann.until(() => !document.querySelector('.cursor') && people.size === 1)
  const { code, output } = await stop()
  assert.equal(code, 0, output)
  await text(ann, 'reconnecting')
})

test('node-backend', { skip }, async (t) => {
  const { url, ignis, stop } = await start(t, 'node-backend', { server: true })
  const open = await startChromium(t)
  const logIn = async (tab, name, password = 'open sesame') => {
    await text(tab, 'Log in')
    await fill(tab, 'Name', name)
    await enter(tab, 'Password', password)
  }
  const ann = await open(url, { apart: true })
  await logIn(ann, 'ann', 'guessed')
  await text(ann, 'The name or the password is wrong.')
  await looks(ann, 'node-backend-login')
  await logIn(ann, 'ann')
  await text(ann, '# launch')

  // Ben makes an account, which does not show him the private channel.
  const ben = await open(url, { apart: true })
  await fill(ben, 'Name', 'ben')
  await fill(ben, 'Password', 'mellon, friend')
  await click(ben, 'Create an account')
  await text(ben, 'This name is taken.')
  await fill(ben, 'Name', 'ben.b')
  await click(ben, 'Create an account')
  for (const tab of [ann, ben]) await tab.until(() => client.state === 'connected' && shown.room.state === 'joined')
  assert.equal(await ben.evaluate(() => channels.has('launch')), false)
  assert.equal(await ben.evaluate(() => client.room('channel:launch').joined.catch(({ code }) => code)), 'forbidden')
  const status = (tab, ...request) => tab.evaluate((request) => ask(...request).catch(({ status }) => status), request)
  assert.equal(await status(ben, 'POST', '/messages', { channel: 'launch', text: 'let me in' }), 404)
  assert.equal(await status(ben, 'POST', '/messages', { channel: 'general', text: 'x'.repeat(2001) }), 400)
  for (const account of [{}, { name: 'ben.c', password: 'short' }, { name: '<b>', password: 'long enough' }]) assert.equal(await status(ben, 'POST', '/signup', account), 400)

  // Messages, who is typing, and unread messages.
  await fill(ann, 'Message', 'Shall we ship it today?')
  await text(ben, 'ann is typing')
  await enter(ann, 'Message', 'Shall we ship it today?')
  await text(ben, 'Shall we ship it today?')
  await ben.until(() => $('typing').textContent === '')
  await enter(ben, 'Message', 'After lunch. The tests are green, and the notes for the release are written.')
  await text(ann, 'After lunch.')
  assert.equal(await ann.evaluate(() => document.querySelectorAll('#messages article').length), 2, 'each message once')
  await click(ann, '# random')
  await enter(ben, 'Message', 'And there is cake.')
  await ann.until(() => document.querySelector('.unread')?.innerText === '1')
  await looks(ben, 'node-backend')

  // What was written while a page was offline is there when it is back. A message that cannot be sent
  // is not lost.
  await ben.call('Network.enable')
  const offline = (offline) => ben.call('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 })
  await ben.evaluate(() => client.close())
  await offline(true)
  await enter(ben, 'Message', 'is anyone there?')
  await text(ben, 'The message was not sent.')
  assert.equal(await ben.evaluate(() => $('text').value), 'is anyone there?')
  await click(ann, '# general')
  await enter(ann, 'Message', 'I am at the door.')
  await offline(false)
  await ben.evaluate(() => {
    const request = ask
    window.loaded = [] // the state of a room whenever messages are loaded
    ask = (...what) => (what[1] === '/me' && loaded.push(shown.room.state), request(...what))
    client.connect()
  })
  await text(ben, 'I am at the door.')
  assert.deepEqual(await ben.evaluate(() => loaded), ['joined'], 'once, and not before the rooms are joined')

  // A logout ends all tabs of the session, and neither the backend nor the server lets a stranger in.
  await click(ann, 'Log out')
  await text(ann, 'Create an account')
  for (const [method, path] of [['GET', 'me'], ['POST', 'token'], ['POST', 'messages']]) assert.equal((await fetch(url + path, { method })).status, 401)
  assert.equal((await fetch(`http://${ignis}/api/v1/publish`, { method: 'POST' })).status, 401)
  const attempts = Array.from({ length: 6 }, async () => (await fetch(url + 'login', { method: 'POST', body: JSON.stringify({ name: 'ann', password: 'guess' }) })).status)
  assert.deepEqual((await Promise.all(attempts)).sort(), [401, 401, 401, 401, 401, 429], 'six at the same time')
  const { code, output } = await stop()
  assert.equal(code, 0, output)
})

test('notify', { skip: skip || noRedis }, async (t) => {
  const { url, stop } = await start(t, 'notify', { flags: ['--step', '150ms', '--retry', '1s'] })
  const open = await startChromium(t)
  const ann = await open(url, { apart: true })
  const ben = await open(url + '?user=ben', { apart: true })
  for (const tab of [ann, ben]) await text(tab, 'connected')

  // Ann asks for reports, of which one needs another attempt, and Ben for another.
  const order = async (tab, report) => {
    await tab.evaluate((report) => ($('report').value = report), report)
    await click(tab, 'Create')
    await text(tab, report)
  }
  await order(ann, 'Sales by region')
  await order(ann, 'Customers, from a slow archive')
  await ann.until(() => document.querySelector('progress')?.value > 0)
  await text(ann, 'Sales by region is ready')
  await text(ann, 'trying again')
  await order(ben, 'Audit log of 2019')
  await text(ann, 'Customers, from a slow archive is ready')
  await ann.until(() => $('unread').innerText === '2' && $('bell').ariaLabel === 'Notifications, 2 unread')
  await order(ann, 'Audit log of 2019')
  await ann.until(() => document.querySelector('.jobs .running progress')?.value > 0)
  await ann.until(() => document.querySelector('.toast'))
  await looks(ann, 'notify')
  const seen = await ben.evaluate(() => [...jobs.values(), ...notices.values()].map(({ report, title }) => report ?? title))
  assert.ok(seen.length > 0 && seen.every((name) => name.startsWith('Audit log')), `Ben sees only his own: ${seen}`)

  // Another tab of Ann shows the same, and opening the notifications clears the bell of both.
  const other = await ann.open(url)
  // It loads first, and again when messages arrive, since there may have been some in between.
  await other.until(() => client.state === 'connected' && performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/inbox')).length === 2)
  await other.until(() => Number($('unread').innerText) >= 2)
  await other.evaluate(() => $('bell').click())
  await text(other, 'Customers, from a slow archive is ready')
  for (const tab of [ann, other]) await tab.until(() => $('unread').hidden)
  await looks(other, 'notify-bell')
  const { code, output } = await stop()
  assert.equal(code, 0, output)
})

test('dashboard', { skip }, async (t) => {
  const { url, stop } = await start(t, 'dashboard')
  const open = await startChromium(t)
  const ann = await open(url, { apart: true }) // and visible
  await looks(ann, 'dashboard-login')
  const [other, guest] = [await open(url, { apart: true }), await open(url, { apart: true })]
  for (const [tab, name] of [[ann, 'ann'], [other, 'ann'], [guest, 'guest']]) await enter(tab, 'Name', name)

  // The prices change, and Ann's orders are on all of her pages.
  for (const tab of [ann, other, guest]) await tab.until(() => document.querySelectorAll('.line[d]').length === 3)
  await ann.until(() => cards.get('AAPL').history.length > 20)
  await click(ann, 'Buy')
  await click(ann, 'Sell')
  await click(ann, 'Buy')
  for (const tab of [ann, other]) await tab.until(() => $('orders').rows.length === 3 && cards.get('AAPL').position === 10)
  await text(other, 'you have 10')
  await looks(ann, 'dashboard')

  // A guest may look, but not trade, and sees no orders of others.
  await click(guest, 'Buy')
  await text(guest, 'Refused: this account may not trade')
  assert.equal(await guest.evaluate(() => $('orders').rows.length), 0)
  await click(ann, 'Leave')
  await text(ann, 'Open your desk')
  const { code, output } = await stop()
  assert.equal(code, 0, output)
  await text(other, 'reconnecting')
})
