// Speaks with Chromium without playwright, which keeps every page visible. Only hidden pages can be
// frozen.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromiumPath, flags } from './browser.mjs'

/** Starts Chromium with one window. */
export async function devtools() {
  const profile = mkdtempSync(join(tmpdir(), 'ignis-browser-'))
  const child = spawn(chromiumPath, ['--headless', '--remote-debugging-pipe', `--user-data-dir=${profile}`, ...flags, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = once(child, 'exit')
  const [, , , commands, answers] = child.stdio
  const waiting = new Map()
  let id = 0
  let text = ''
  answers.on('data', (chunk) => {
    const messages = (text + chunk).split('\0')
    text = messages.pop()
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(id) ?? {}
      waiting.delete(id)
      if (error) reject?.(new Error(error.message))
      else resolve?.(result)
    }
  })
  const call = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++id, { resolve, reject })
      commands.write(JSON.stringify({ id, method, params, sessionId }) + '\0')
    })

  /** Opens a tab, which hides the others. */
  async function open(url) {
    const { targetId } = await call('Target.createTarget', { url })
    const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true })
    return {
      call: (method, params) => call(method, params, sessionId),
      /** Waits until an expression in the page is true. The page itself does not wait: it may be frozen. */
      async until(expression) {
        for (const deadline = Date.now() + 15_000; ; ) {
          const { result } = await call('Runtime.evaluate', { expression, returnByValue: true }, sessionId)
          if (result.value === true) return
          if (Date.now() > deadline) throw new Error(`not true: ${expression}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      },
      async evaluate(expression) {
        const { result } = await call('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true }, sessionId)
        return result.value
      },
    }
  }
  return {
    open,
    async close() {
      await call('Browser.close')
      await ended
      process.off('exit', kill)
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
}
