// Runs the small examples for browsers, and the pages in README.md, docs/first-chat.md and
// docs/history.md, with the real server in Chromium.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
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

/** The code blocks of a page with a comment before them, such as <!-- ignis.yaml -->: [comment, code]. */
const noted = (file) => [...readFileSync(join(root, file), 'utf8').matchAll(/^<!-- ([^\n]+) -->\n```\w+\n(.*?)^```$/gms)].map(([, note, code]) => [note, code])

/** Makes the chat of docs/first-chat.md, and returns where it is and what starts its parts. */
async function firstChat(t) {
  const [port, ignis, webhook] = [await freePort(), `127.0.0.1:${await freePort()}`, await freePort()]
  const folder = mkdtempSync(join(tmpdir(), 'ignis-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const write = (name, content) =>
    writeFileSync(join(folder, name), content.replaceAll('127.0.0.1:8080', ignis).replace('localhost:3000', `localhost:${port}`).replace('listen(3000', `listen(${port}`).replace('127.0.0.1:3001', `127.0.0.1:${webhook}`).replace('listen(3001', `listen(${webhook}`))
  const files = noted('docs/first-chat.md')
  assert.deepEqual(files.map(([name]) => name), ['ignis.yaml', 'server.mjs', 'users.json', 'index.html'])
  for (const [name, content] of files) write(name, content)
  const [secret, server, backend] = block('docs/first-chat.md', 'sh').trim().split('\n')
  execFileSync('sh', ['-ec', secret], { cwd: folder })
  const url = `http://localhost:${port}/`
  return {
    folder,
    url,
    write,
    shell: (commands) => execFileSync('bash', ['-euc', commands], { cwd: folder, env: { ...process.env, PATH: dirname(program()) + delimiter + process.env.PATH } }),
    /** Publishes a message of the backend, with the key that docs/send.md makes. */
    publish: (to, event, data) =>
      fetch(`http://${ignis}/api/v1/publish`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${readFileSync(join(folder, 'backend.key'), 'utf8').trim()}` },
        body: JSON.stringify({ to, event, data }),
      }),
    startServer: () => run(t, [`http://${ignis}/readyz`], program(), [...server.split(' ').slice(1), '--listen', ignis], {}, folder),
    startBackend: () => run(t, [url], process.execPath, backend.split(' ').slice(1), {}, folder),
  }
}

/** Logs in as ann. */
async function logIn(tab) {
  await fill(tab, 'Name', 'ann')
  await enter(tab, 'Password', 'apple')
  await tab.until(() => typeof lobby !== 'undefined' && lobby.state === 'joined' && login.hidden) // after the page has reloaded
}

test('the chat with login in docs/first-chat.md', { skip }, async (t) => {
  const { url, shell, publish, startServer, startBackend } = await firstChat(t)
  const [makeKey] = readFileSync(join(root, 'docs/send.md'), 'utf8').match(/umask 077\n.*(?=ignis serve)/s)
  shell(makeKey.slice(0, makeKey.indexOf('ignis serve')))
  const stopServer = await startServer()
  const stopBackend = await startBackend()
  const open = await startChromium(t)
  const ann = await open(url)
  await fill(ann, 'Name', 'ann')
  await enter(ann, 'Password', 'wrong')
  await text(ann, 'wrong name or password')
  await logIn(ann)
  await enter(ann, 'Message', '<b>hello</b>')
  await text(ann, 'ann: <b>hello</b>')
  assert.ok((await publish({ room: 'lobby' }, 'say', { text: 'lunch is ready' })).ok, 'send.md keeps the rules in ignis.yaml')
  await text(ann, 'system: lunch is ready')
  // Bob has a session of his own. Browsers share cookies between tabs, so he is not in one.
  const post = (path, body, cookie = '') => fetch(url + path, { method: 'POST', body, headers: { cookie } })
  const bob = (await post('login', '{"name": "bob", "password": "berry"}')).headers.get('set-cookie').split(';')[0]
  const claims = JSON.parse(Buffer.from((await (await post('token', '', bob)).text()).split('.')[1], 'base64url'))
  assert.equal(claims.sub, 'bob')
  for (const body of ['', 'null', '{"name": "__proto__"}', '{"name": "bob", "password": "apple"}']) assert.equal((await post('login', body)).status, 401)
  assert.equal((await post('token', '')).status, 401)
  // Another tab of ann's session shows no form. When the session is over, both show it.
  const tabs = [ann, await open(url)]
  await tabs[1].until(() => lobby.state === 'joined' && login.hidden && !chat.hidden)
  await stopBackend()
  await stopServer('SIGKILL')
  await startServer()
  for (const tab of tabs) await text(tab, 'waiting') // the backend does not answer, which says nothing about the session
  await startBackend()
  for (const tab of tabs) await tab.until(() => !login.hidden && chat.hidden && client.state === 'closed')
  await logIn(ann)
})

test('the history in docs/history.md', { skip }, async (t) => {
  const { folder, url, write, shell, startServer, startBackend } = await firstChat(t)
  for (const [note, code] of noted('docs/history.md')) {
    const [name, place] = note.split(', ')
    const before = place && readFileSync(join(folder, name), 'utf8')
    if (note === 'commands') shell(code)
    else if (!place) write(name, code)
    else if (place === 'at the top') write(name, code + before)
    else if (place === 'before the switch') write(name, before.replace('  switch (', code + '  switch ('))
    else write(name, before.replace(/  lobby\.on\(.*?^  }\)\n/ms, '').replace(/  chat\.onsubmit = .*?^  }\n/ms, code))
  }
  await startServer()
  const stopBackend = await startBackend()
  const open = await startChromium(t)
  const tabs = [await open(url)]
  await logIn(tabs[0])
  tabs.push(await open(url))
  await tabs[1].until(() => lobby.state === 'joined')
  const lines = async (...expected) => {
    for (const tab of tabs) await tab.until((expected) => [...messages.children].map((line) => line.textContent).join() === expected, expected.map((line) => `ann: ${line}`).join())
  }
  await enter(tabs[0], 'Message', 'one')
  await lines('one')
  // A page that was not connected loads what was said meanwhile.
  await tabs[1].evaluate(() => client.close())
  await enter(tabs[0], 'Message', 'two')
  await text(tabs[0], 'ann: two')
  await tabs[1].evaluate(() => void client.connect())
  await lines('one', 'two')
  // Without the backend, a message fails, and can be sent again. The same holds if it was stored, but not
  // published. It is stored and shown once.
  const again = (line) =>
    tabs[0].until((line) => {
      document.querySelector('body > button')?.click()
      return document.body.innerText.includes(line)
    }, `ann: ${line}`)
  await stopBackend()
  await enter(tabs[0], 'Message', 'three')
  await startBackend()
  await again('three')
  await lines('one', 'two', 'three')
  const stored = () => readFileSync(join(folder, 'messages.jsonl'), 'utf8').trim().split('\n').length
  renameSync(join(folder, 'api-key'), join(folder, 'no-key'))
  await enter(tabs[0], 'Message', 'four')
  while (stored() < 4) await new Promise((resolve) => setTimeout(resolve, 20))
  renameSync(join(folder, 'no-key'), join(folder, 'api-key'))
  await again('four')
  await lines('one', 'two', 'three', 'four')
  // The backend has forgotten its sessions, but not the messages.
  await tabs[1].evaluate(() => location.reload())
  await tabs[1].until(() => typeof login !== 'undefined' && !login.hidden)
  await logIn(tabs[1])
  await lines('one', 'two', 'three', 'four')
  assert.equal(stored(), 4)
  const statuses = (...rooms) => tabs[1].evaluate((rooms) => Promise.all(rooms.map(async (room) => (await fetch(`/messages?room=${room}&after=0`)).status)), rooms)
  assert.deepEqual(await statuses('team-red', 'team-blue', 'x'), [200, 403, 403])
  assert.equal((await fetch(url + 'messages?room=lobby&after=0')).status, 401)
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
