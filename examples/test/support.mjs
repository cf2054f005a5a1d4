// What the tests of the examples have in common.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../sdk/ts/test/support/port.mjs'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Runs a program until the test ends, waits until the URLs answer, and returns what ends it. Its
 * property shown waits until the program has printed something, and ended until it has ended.
 */
export async function run(t, urls, command, args, env = {}, cwd = undefined) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  const exited = once(child, 'exit')
  child.stdout.on('data', (text) => (output += text))
  child.stderr.on('data', (text) => (output += text))
  const ended = async () => {
    const [code] = await exited
    assert.equal(alive(child.pid), false, 'it left a process behind')
    return { code, output }
  }
  const stop = (signal = 'SIGINT') => {
    if (alive(child.pid)) process.kill(-child.pid, signal) // to the group, as terminals do
    return ended()
  }
  stop.ended = ended
  stop.shown = async (pattern) => {
    while (!pattern.test(output)) {
      if (child.exitCode !== null) assert.fail(output)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
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

/** Whether a group has a process. */
function alive(group) {
  try {
    return process.kill(-group, 0)
  } catch {
    return false
  }
}

/** Starts an example as a user does, apart from the ports, and returns where it is and what ends it. */
export async function start(t, name, { page = true, server = false, flags = [] } = {}) {
  const [port, ignis] = [await freePort(), `127.0.0.1:${await freePort()}`]
  const url = `http://localhost:${port}/`
  const urls = page ? [url] : []
  if (server) urls.push(`http://${ignis}/readyz`)
  const stop = await run(t, urls, process.execPath, [join(root, 'examples/start.mjs'), name, ...flags], { PORT: String(port), SERVER: ignis })
  return { url, ignis, stop }
}

/** The program, which is built if the environment does not name it. */
export function program() {
  if (process.env.TEST_PROGRAM) return process.env.TEST_PROGRAM
  execFileSync('go', ['build', '-o', 'bin/ignis', './cmd/ignis'], { cwd: root })
  return join(root, 'bin/ignis')
}

/** Why a test that needs Redis is skipped, or false. With TEST_REQUIRE_REDIS=1 it fails instead. */
const installed = process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, 'redis-server')))
export const noRedis = installed || process.env.TEST_REQUIRE_REDIS === '1' ? false : 'redis-server is missing'

/** Waits until the page shows a text. */
export const text = (tab, expected) => tab.until((expected) => document.body.innerText.includes(expected), expected)

/** Types into the field with a label, as far as pages and React can tell. */
export const fill = (tab, label, value) =>
  tab.until(
    (label, value) => {
      const field = [...document.querySelectorAll('input, textarea')].find((field) => field.checkVisibility() && (field.ariaLabel ?? field.labels[0]?.textContent) === label)
      if (!field) return false
      const prototype = field instanceof HTMLInputElement ? HTMLInputElement.prototype : HTMLTextAreaElement.prototype
      Object.getOwnPropertyDescriptor(prototype, 'value').set.call(field, value)
      field.dispatchEvent(new Event('input', { bubbles: true }))
      field.focus()
      return true
    },
    label,
    value,
  )

/** Types into the field with a label, and submits its form. */
export async function enter(tab, label, value) {
  await fill(tab, label, value)
  await tab.evaluate(() => new Promise((resolve) => setTimeout(() => resolve(document.activeElement.form.requestSubmit())))) // after React has rendered
}

/** Clicks the button whose name begins with a text. */
export const click = (tab, name) =>
  tab.until((name) => {
    const button = [...document.querySelectorAll('button')].find((button) => button.checkVisibility() && (button.ariaLabel ?? button.innerText).trim().startsWith(name))
    button?.click()
    return button !== undefined
  }, name)
