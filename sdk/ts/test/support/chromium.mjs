// Chromium, and an empty page to run modules of dist in. There is no library in between, because
// those keep every page visible, and only hidden pages can be frozen.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where Chromium is, if it is installed. */
export const path = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path))

export const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** Why tests with Chromium are skipped, or false. With TEST_REQUIRE_BROWSER=1 they fail instead. */
export const skip = path || process.env.TEST_REQUIRE_BROWSER === '1' ? false : 'Chromium is missing'

/**
 * Starts Chromium, and returns the function that opens a tab. It ends after the test. A tab with
 * `apart` shares cookies and storage only with those that its method `open` opens.
 */
export async function startChromium(t) {
  const profile = mkdtempSync(join(tmpdir(), 'ignis-sdk-'))
  const child = spawn(path, ['--headless', '--remote-debugging-pipe', ...flags, `--user-data-dir=${profile}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = once(child, 'exit')
  const call = speak(child.stdio[3], child.stdio[4])
  t.after(async () => {
    await call('Browser.close')
    await ended
    process.off('exit', kill)
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  return async function open(url, { apart = false, browserContextId } = {}) {
    if (apart) ({ browserContextId } = await call('Target.createBrowserContext'))
    const { targetId } = await call('Target.createTarget', { url: 'about:blank', browserContextId })
    const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true })
    const tab = createTab((method, params) => call(method, params, sessionId))
    tab.open = (url) => open(url, { browserContextId })
    await tab.goto(url)
    return tab
  }
}

/** Returns the function that calls a method of Chromium. */
function speak(commands, answers) {
  const waiting = new Map()
  let count = 0
  let text = ''
  answers.setEncoding('utf8').on('data', (chunk) => {
    const messages = (text + chunk).split('\0')
    text = messages.pop()
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(id) ?? {}
      waiting.delete(id)
      if (error) reject?.(new Error(error.message))
      else resolve?.(result)
    }
  })
  return (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject })
      commands.write(JSON.stringify({ id: count, method, params, sessionId }) + '\0')
    })
}

function createTab(call) {
  const tab = {
    call,
    /** Runs a function, or an expression, in the page and returns the result. */
    async evaluate(fn, ...args) {
      const expression = typeof fn === 'string' ? fn : `(${fn})(...${JSON.stringify(args)})`
      const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
      return result.value
    },
    /** Waits until a function in the page returns true. The page itself does not wait: it may be frozen. */
    async until(fn, ...args) {
      for (const deadline = Date.now() + 20_000; !(await tab.evaluate(fn, ...args).catch(() => false)); ) {
        if (Date.now() > deadline) throw new Error(`not true in the page: ${fn}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async goto(url) {
      await call('Page.navigate', { url })
      await tab.until((url) => location.href === url && document.readyState === 'complete', url)
    },
  }
  return tab
}

/** Serves the files of dist, and the page for every other path. Returns its origin. */
export async function servePages(t, page = '<!doctype html><title>test</title>') {
  const server = http.createServer(({ url }, response) => {
    const module = /^\/dist\/\w+\.js$/.test(url)
    response.setHeader('Content-Type', module ? 'text/javascript' : 'text/html')
    response.end(module ? readFileSync(new URL('../..' + url, import.meta.url)) : page)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${server.address().port}/`
}
