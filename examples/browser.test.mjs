// Runs the small examples for browsers, and the pages in README.md and docs/first-chat.md, with the real
// server in Chromium.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { skip, startChromium } from '../sdk/ts/test/support/chromium.mjs'
import { freePort } from '../sdk/ts/test/support/port.mjs'
import { looks } from './test/looks.mjs'
import { enter, fill, noRedis, program, root, run, start, text } from './test/support.mjs'

/** Serves a page until the test ends, and returns its URL. */
async function serve(t, page) {
  const server = http.createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end(page))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://localhost:${server.address().port}/`
}

/** The last code block of a language in a document. */
const block = (file, language) => [...readFileSync(join(root, file), 'utf8').matchAll(new RegExp('```' + language + '\\n(.*?)```', 'gs'))].at(-1)[1]

test('page', { skip }, async (t) => {
  const { url } = await start(t, 'page', { server: true })
  const open = await startChromium(t)
  const [ann, ben] = [await open(url), await open(url)]
  for (const tab of [ann, ben]) await text(tab, 'connected')
  await ben.until(() => lobby.state === 'joined')
  await enter(ann, 'Message', 'hello')
  await text(ben, 'ann: hello')
  await looks(ben, 'page')
})

test('chat', { skip }, async (t) => {
  const { url } = await start(t, 'chat')
  const open = await startChromium(t)
  const [ann, eve] = [await open(url), await open(url)]
  await looks(ann, 'chat')
  for (const [tab, name] of [[ann, 'Ann'], [eve, 'Eve']]) {
    await fill(tab, 'Room', name === 'Ann' ? 'lobby' : 'staff')
    await enter(tab, 'Your name', name)
  }
  await text(eve, 'Refused') // she is not a member of the private room
  await enter(eve, 'Room', 'lobby')
  for (const tab of [ann, eve]) await tab.until(() => !document.getElementById('say').hidden)
  await enter(ann, 'Message', 'hello')
  await text(eve, 'Ann: hello')
  await text(ann, 'you: hello')
})

test('react', { skip }, async (t) => {
  const { url } = await start(t, 'react', { server: true })
  const open = await startChromium(t)
  const [ann, ben] = [await open(url + '?name=ann'), await open(url + '?name=ben')]
  for (const tab of [ann, ben]) await text(tab, 'lobby joined')
  await enter(ann, 'Message', 'hello')
  await text(ben, 'ann hello')
  await text(ann, 'ann hello')
  assert.equal(await ben.evaluate(() => document.body.innerText.split('ann hello').length), 2, 'once, in spite of double effects')
  await ben.evaluate(() => [...document.querySelectorAll('button')].find(({ innerText }) => innerText === 'kitchen').click())
  await text(ben, 'kitchen joined')
  await looks(ben, 'react')
})

test('the page in README.md', { skip }, async (t) => {
  const ignis = `127.0.0.1:${await freePort()}`
  const page = block('README.md', 'html')
  assert.ok(page.trim().split('\n').length <= 15)
  const startServer = () => run(t, [`http://${ignis}/readyz`], program(), ['serve', '--dev', '--listen', ignis])
  const stop = await startServer()
  const url = await serve(t, page.replaceAll('127.0.0.1:8080', ignis))
  const open = await startChromium(t)
  const [first, second] = [await open(url), await open(url)]
  for (const tab of [first, second]) await tab.until(() => lobby.state === 'joined')
  const write = (words) =>
    first.evaluate((words) => {
      text.value = words
      text.dispatchEvent(new Event('change'))
    }, words)
  await write('hello')
  await text(second, 'ann: hello')
  await stop('SIGKILL')
  await first.until(() => client.state !== 'connected')
  await write('written meanwhile')
  await startServer()
  await text(first, 'ann: written meanwhile')
})

test('the chat with login in docs/first-chat.md', { skip }, async (t) => {
  const [port, ignis] = [await freePort(), `127.0.0.1:${await freePort()}`]
  const folder = mkdtempSync(join(tmpdir(), 'ignis-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const page = readFileSync(join(root, 'docs/first-chat.md'), 'utf8')
  const files = [...page.matchAll(/^<!-- (\S+) -->\n```\w+\n(.*?)^```$/gms)]
  assert.deepEqual(files.map(([, name]) => name), ['ignis.yaml', 'server.mjs', 'users.json', 'index.html'])
  for (const [, name, content] of files) {
    const own = content.replaceAll('127.0.0.1:8080', ignis).replace('localhost:3000', `localhost:${port}`).replace('listen(3000', `listen(${port}`)
    writeFileSync(join(folder, name), own)
  }
  const [secret, server, backend] = block('docs/first-chat.md', 'sh').trim().split('\n')
  execFileSync('sh', ['-ec', secret], { cwd: folder })
  const url = `http://localhost:${port}/`
  await run(t, [`http://${ignis}/readyz`], program(), [...server.split(' ').slice(1), '--listen', ignis], {}, folder)
  await run(t, [url], process.execPath, backend.split(' ').slice(1), {}, folder)
  const open = await startChromium(t)
  const ann = await open(url)
  await ann.evaluate(() => (document.getElementById('user').value = 'ann'))
  await enter(ann, 'Password', 'wrong')
  await text(ann, 'wrong name or password')
  await enter(ann, 'Password', 'apple')
  await ann.until(() => lobby.state === 'joined')
  await enter(ann, 'Message', '<b>hello</b>')
  await text(ann, 'ann: <b>hello</b>')
  // Bob has a session of his own. Browsers share cookies between tabs, so he is not in one.
  const post = (path, body, cookie = '') => fetch(url + path, { method: 'POST', body, headers: { cookie } })
  const bob = (await post('login', '{"name": "bob", "password": "berry"}')).headers.get('set-cookie').split(';')[0]
  const claims = JSON.parse(Buffer.from((await (await post('token', '', bob)).text()).split('.')[1], 'base64url'))
  assert.equal(claims.sub, 'bob')
  for (const body of ['', 'null', '{"name": "__proto__"}', '{"name": "bob", "password": "apple"}']) assert.equal((await post('login', body)).status, 401)
  assert.equal((await post('token', '')).status, 401)
})

test('start.mjs names the examples', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'examples/start.mjs')], { encoding: 'utf8' })
  assert.equal(status, 2)
  const readme = readFileSync(join(root, 'examples/README.md'), 'utf8')
  const names = [...stderr.matchAll(/^ {2}([\w-]+) /gm)].map(([, name]) => name)
  assert.equal(names.length, 9)
  for (const name of names) assert.ok(readme.includes(`node start.mjs ${name}`), `examples/README.md says how to start ${name}`)
})

test('worker', { skip: noRedis }, async (t) => {
  const { stop } = await start(t, 'worker', { page: false })
  await stop.shown(/"event":"clock"/)
  const { code, output } = await stop()
  assert.equal(code, 0, output)
})

test('an example whose port is in use ends', async (t) => {
  const page = await serve(t, '')
  const stop = await run(t, [], process.execPath, [join(root, 'examples/start.mjs'), 'page'], { PORT: new URL(page).port, SERVER: `127.0.0.1:${await freePort()}` })
  const { code, output } = await stop.ended()
  assert.equal(code, 1, output)
  assert.match(output, /EADDRINUSE/)
})
