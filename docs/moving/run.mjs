// Runs programs for the tests.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const folder = fileURLToPath(new URL('.', import.meta.url))

/** The program ignis, which is built if the environment does not name it. */
export function program() {
  if (process.env.TEST_PROGRAM) return process.env.TEST_PROGRAM
  const root = join(folder, '../..')
  execFileSync('go', ['build', '-o', 'bin/ignis', './cmd/ignis'], { cwd: root })
  return join(root, 'bin/ignis')
}

/** Runs a program until the test ends, waits until the URL answers, and returns what ends it. */
export async function run(t, url, command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const exited = once(child, 'exit')
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.after(stop)
  while (!(await fetch(url).catch(() => ({}))).ok) {
    if (child.exitCode !== null) assert.fail(output)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return stop
}
