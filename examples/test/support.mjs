// What the tests of the examples have in common.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../sdk/ts/test/support/port.mjs'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program until the test ends, waits until the URLs answer, and returns what ends it. */
export async function run(t, urls, command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const exited = once(child, 'exit')
  child.stdout.on('data', (text) => (output += text))
  child.stderr.on('data', (text) => (output += text))
  const stop = async (signal = 'SIGINT') => {
    child.kill(signal)
    return [...(await exited), output]
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

/** Starts an example as a user does, apart from the ports, and returns where it is and what ends it. */
export async function start(t, name, { server = false, flags = [] } = {}) {
  const [port, ignis] = [await freePort(), `127.0.0.1:${await freePort()}`]
  const url = `http://localhost:${port}/`
  const urls = server ? [url, `http://${ignis}/readyz`] : [url]
  const stop = await run(t, urls, process.execPath, [join(root, 'examples/start.mjs'), name, ...flags], { PORT: String(port), SERVER: ignis })
  return { url, ignis, stop }
}

/** The program, which is built if the environment does not name it. */
export function program() {
  if (process.env.TEST_PROGRAM) return process.env.TEST_PROGRAM
  execFileSync('go', ['build', '-o', 'bin/ignis', './cmd/ignis'], { cwd: root })
  return join(root, 'bin/ignis')
}

/** Whether a program is installed. */
export const has = (name) => [...process.env.PATH.split(delimiter), '/usr/sbin'].some((folder) => existsSync(join(folder, name)))

/** Waits until the page shows a text. */
export const text = (tab, expected) => tab.until((expected) => document.body.innerText.includes(expected), expected)

/** Types into the field with a label, as far as pages and React can tell. */
export const fill = (tab, label, value) =>
  tab.evaluate(
    (label, value) => {
      const field = [...document.querySelectorAll('input, textarea')].find((field) => field.checkVisibility() && (field.ariaLabel ?? field.labels[0]?.textContent) === label)
      const prototype = field instanceof HTMLInputElement ? HTMLInputElement.prototype : HTMLTextAreaElement.prototype
      Object.getOwnPropertyDescriptor(prototype, 'value').set.call(field, value)
      field.dispatchEvent(new Event('input', { bubbles: true }))
      field.focus()
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
  tab.evaluate((name) => [...document.querySelectorAll('button')].find((button) => button.checkVisibility() && (button.ariaLabel ?? button.innerText).trim().startsWith(name)).click(), name)
