// Runs the examples for browsers with the real server and, where they have a page, in Chromium.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skip, startChromium } from '../sdk/ts/test/support/chromium.mjs'

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

/** Starts an example as a user does, apart from the ports, and returns the URL of its page. */
async function start(t, name) {
  const [port, ignis] = [await freePort(), await freePort()]
  const env = { ...process.env, PORT: String(port), SERVER: `127.0.0.1:${ignis}` }
  const child = spawn(process.execPath, [fileURLToPath(new URL('start.mjs', import.meta.url)), name], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const exited = once(child, 'exit')
  child.stdout.on('data', (text) => (output += text))
  child.stderr.on('data', (text) => (output += text))
  t.after(async () => {
    child.kill('SIGINT')
    await exited
  })
  const url = `http://localhost:${port}/`
  for (const needed of [url, `http://127.0.0.1:${ignis}/readyz`]) await answers(needed, () => child.exitCode === null || assert.fail(output))
  return { url, ignis: `127.0.0.1:${ignis}` }
}

/** Waits until a URL answers. */
async function answers(url, check) {
  for (;;) {
    check()
    const { ok } = await fetch(url).catch(() => ({}))
    if (ok) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const text = (tab, expected) => tab.until((expected) => document.body.innerText.includes(expected), expected)

/** Types into a field, as far as pages and React can tell, and submits its form. */
const enter = (tab, label, value) =>
  tab.evaluate(
    (label, value) => {
      const field = [...document.querySelectorAll('input')].find(({ ariaLabel }) => ariaLabel === label)
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, value)
      field.dispatchEvent(new Event('input', { bubbles: true }))
      setTimeout(() => field.form.requestSubmit()) // after React has rendered
    },
    label,
    value,
  )

test('page', { skip }, async (t) => {
  const { url } = await start(t, 'page')
  const open = await startChromium(t)
  const [ann, ben] = [await open(url), await open(url)]
  for (const tab of [ann, ben]) await text(tab, 'connected')
  await ben.until(() => lobby.state === 'joined')
  await enter(ann, 'Message', 'hello')
  await text(ben, 'ann: hello')
})

test('react', { skip }, async (t) => {
  const { url } = await start(t, 'react')
  const open = await startChromium(t)
  const [ann, ben] = [await open(url + '?name=ann'), await open(url + '?name=ben')]
  for (const tab of [ann, ben]) await text(tab, 'lobby joined')
  await enter(ann, 'Message', 'hello')
  await text(ben, 'ann hello')
  await text(ann, 'ann hello')
  assert.equal(await ben.evaluate(() => document.body.innerText.split('ann hello').length), 2, 'once, in spite of double effects')
  await ben.evaluate(() => [...document.querySelectorAll('button')].find(({ innerText }) => innerText === 'kitchen').click())
  await text(ben, 'kitchen joined')
})

test('node-backend', { skip }, async (t) => {
  const { url, ignis } = await start(t, 'node-backend')
  const open = await startChromium(t)
  const ann = await open(url)
  await enter(ann, 'Your name', 'ann')
  await text(ann, 'connected')
  const other = await open(url) // the same user in another tab
  await enter(other, 'Your name', 'ann')
  for (const tab of [ann, other]) await tab.until(() => client.userId === 'ann')
  await enter(ann, 'What to order', 'tea')
  for (const tab of [ann, other]) await text(tab, 'your order: tea, accepted')
  await text(other, 'someone ordered tea')
  // Who is not logged in gets no token, and the server wants one.
  assert.equal((await fetch(url + 'token', { method: 'POST' })).status, 401)
  assert.equal((await fetch(`http://${ignis}/api/v1/publish`, { method: 'POST' })).status, 401)
})
