// Runs the examples for browsers, and the page in README.md, with the real server in Chromium.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skip, startChromium } from '../sdk/ts/test/support/chromium.mjs'
import { freePort } from '../sdk/ts/test/support/port.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs a program until the test ends, waits until the URLs answer, and returns what ends it. */
async function run(t, urls, command, args, env = {}, cwd = undefined) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const exited = once(child, 'exit')
  child.stdout.on('data', (text) => (output += text))
  child.stderr.on('data', (text) => (output += text))
  const stop = async (signal = 'SIGINT') => {
    child.kill(signal)
    await exited
  }
  t.after(() => stop())
  for (const url of urls) {
    while (!(await fetch(url).catch(() => ({}))).ok) {
      if (child.exitCode !== null) assert.fail(output)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  return stop
}

/** Starts an example as a user does, apart from the ports, and returns the URL of its page. */
async function start(t, name) {
  const [port, ignis] = [await freePort(), `127.0.0.1:${await freePort()}`]
  const url = `http://localhost:${port}/`
  const script = fileURLToPath(new URL('start.mjs', import.meta.url))
  await run(t, [url, `http://${ignis}/readyz`], process.execPath, [script, name], { PORT: String(port), SERVER: ignis })
  return { url, ignis }
}

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

/** The program, which is built if the environment does not name it. */
function program() {
  if (process.env.TEST_PROGRAM) return process.env.TEST_PROGRAM
  execFileSync('go', ['build', '-o', 'bin/ignis', './cmd/ignis'], { cwd: root })
  return join(root, 'bin/ignis')
}

/** The last code block of a language in a document. */
const block = (file, language) => [...readFileSync(join(root, file), 'utf8').matchAll(new RegExp('```' + language + '\\n(.*?)```', 'gs'))].at(-1)[1]

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
  // A visitor who is not logged in gets no token, and the HTTP API requires a key.
  assert.equal((await fetch(url + 'token', { method: 'POST' })).status, 401)
  assert.equal((await fetch(`http://${ignis}/api/v1/publish`, { method: 'POST' })).status, 401)
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
