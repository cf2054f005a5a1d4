// Runs the chat in docs/from-socketio.md with Socket.IO, with Ignis, and with pages of both kinds during
// the move, in Chromium. All three pass the same test.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import jwt from 'jsonwebtoken'
import { skip, startChromium } from '../../sdk/ts/test/support/chromium.mjs'
import { freePort } from '../../sdk/ts/test/support/port.mjs'
import { blocks } from './page.mjs'
import { folder, program, run } from './run.mjs'

const samples = new Map(blocks('from-socketio.md').filter(({ note }) => note).map(({ note, text }) => [note, text]))
const elements = '<!doctype html><ol id="shown"></ol><form id="form"><input id="input"></form>'
const show = "const show = (text) => shown.append(Object.assign(document.createElement('li'), { textContent: text }))"

/** The files and ports of one run of the chat. */
async function setUp(t) {
  const dir = mkdtempSync(join(folder, 'run-')) // here, so that the server finds its packages
  t.after(() => rmSync(dir, { recursive: true }))
  const [socketio, ignis, webhook] = [await freePort(), await freePort(), await freePort()]
  const secret = randomBytes(24).toString('base64')
  const env = { JWT_SECRET: secret, WEBHOOK_SECRET: 'whsec_' + randomBytes(32).toString('base64') }
  writeFileSync(join(dir, 'jwt.secret'), secret)
  writeFileSync(join(dir, 'webhook.secret'), env.WEBHOOK_SECRET)

  // A page asks for itself by its kind, user and room, such as /before/ann/lobby.
  const pages = http.createServer((request, response) => {
    const [, kind, user, room] = request.url.split('/')
    if (!room) return response.writeHead(404).end()
    const library = kind === 'before' ? `http://localhost:${socketio}/socket.io/socket.io.js` : `http://127.0.0.1:${ignis}/ignis.js`
    const given = `const token = '${jwt.sign({}, secret, { subject: user, expiresIn: '5m' })}'; const room = '${room}'; ${show}`
    const page = replaced(samples.get(`page ${kind}`))
    response.setHeader('Content-Type', 'text/html').end(`${elements}<script src="${library}"></script><script>${given}\n${page}</script>`)
  })
  await once(pages.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    pages.close()
    pages.closeAllConnections()
  })
  const origin = `http://localhost:${pages.address().port}`
  const replaced = (text) =>
    text.replaceAll('http://localhost:8000', origin).replaceAll('localhost:3000', `localhost:${socketio}`).replaceAll('new Server(3000', `new Server(${socketio}`).replaceAll('127.0.0.1:8080', `127.0.0.1:${ignis}`).replaceAll('3001', webhook)

  return {
    origin,
    startSocketIO(name) {
      for (const file of ['server.mjs', 'bridge.mjs']) writeFileSync(join(dir, file), replaced(samples.get(`file ${file}`)))
      return run(t, `http://localhost:${socketio}/socket.io/socket.io.js`, process.execPath, [name], { cwd: dir, env: { ...process.env, ...env } })
    },
    startIgnis(name) {
      const [key, , ...entry] = execFileSync(program(), ['api-key', 'chat'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')
      env.API_KEY = key
      writeFileSync(join(dir, name), replaced(samples.get(`file ${name}`)) + (name === 'bridge.yaml' ? entry.join('\n') : ''))
      return run(t, `http://127.0.0.1:${ignis}/readyz`, program(), ['serve', '--config', name, '--jwt-secret-file', 'jwt.secret', '--listen', `127.0.0.1:${ignis}`], { cwd: dir })
    },
  }
}

const lines = (tab) => tab.evaluate(() => [...shown.children].map(({ textContent }) => textContent))
const shows = (tab, text) => tab.until((text) => [...shown.children].some(({ textContent }) => textContent === text), text)

/** Writes in the form, and waits for the answer, which clears the field. */
async function say(tab, text) {
  await tab.evaluate((text) => {
    input.value = text
    form.requestSubmit()
  }, text)
  await tab.until(() => input.value === '')
}

/** Two people chat in a room, and a third one in another room hears nothing of it. */
async function chat(t, { origin }, kinds, restart) {
  const open = await startChromium(t)
  const [ann, ben, eve] = [await open(`${origin}/${kinds[0]}/ann/lobby`), await open(`${origin}/${kinds[1]}/ben/lobby`), await open(`${origin}/${kinds[1]}/eve/kitchen`)]
  for (const tab of [ann, ben, eve]) await shows(tab, 'joined')
  await say(ann, 'hello')
  for (const tab of [ann, ben]) await shows(tab, 'ann: hello')
  await say(ben, 'hi, ann')
  for (const tab of [ann, ben]) await shows(tab, 'ben: hi, ann')
  await say(eve, 'anybody?')
  await shows(eve, 'eve: anybody?')

  if (restart) {
    await restart()
    for (const tab of [ann, ben]) await tab.until(() => [...shown.children].filter(({ textContent }) => textContent === 'joined').length === 2)
    await say(ann, 'back')
    for (const tab of [ann, ben]) await shows(tab, 'ann: back')
  }
  const said = async (tab) => (await lines(tab)).filter((line) => line.includes(': '))
  const expected = ['ann: hello', 'ben: hi, ann', ...(restart ? ['ann: back'] : [])]
  assert.deepEqual(await said(ann), expected, 'each message once')
  assert.deepEqual(await said(ben), expected)
  assert.deepEqual(await said(eve), ['eve: anybody?'])
}

test('before the move, with Socket.IO', { skip }, async (t) => {
  const set = await setUp(t)
  const stop = await set.startSocketIO('server.mjs')
  await chat(t, set, ['before', 'before'], async () => {
    await stop()
    await set.startSocketIO('server.mjs')
  })
})

test('after the move, with Ignis', { skip }, async (t) => {
  const set = await setUp(t)
  const stop = await set.startIgnis('ignis.yaml')
  await chat(t, set, ['after', 'after'], async () => {
    await stop()
    await set.startIgnis('ignis.yaml')
  })
})

for (const kinds of [['before', 'after'], ['after', 'before']]) {
  test(`during the move, ${kinds.join(' and ')}`, { skip }, async (t) => {
    const set = await setUp(t)
    await set.startIgnis('bridge.yaml')
    await set.startSocketIO('bridge.mjs')
    await chat(t, set, kinds)
  })
}
