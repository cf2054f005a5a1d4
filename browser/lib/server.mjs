// Starts the real program, and ends it with the test.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

let built

/** Returns the file of the program: TEST_PROGRAM, or one that is built now. */
export function program() {
  if (process.env.TEST_PROGRAM) return process.env.TEST_PROGRAM
  if (!built) {
    built = join(mkdtempSync(join(tmpdir(), 'ignis-browser-')), 'ignis')
    execFileSync('go', ['build', '-o', built, './cmd/ignis'], { cwd: root, stdio: 'inherit' })
  }
  return built
}

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** Starts a program and returns it with the lines that it prints. */
export function start(command, args, options = {}) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('IGNIS_')))
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, env: { ...env, ...options.env } })
  running.add(child)
  const ended = once(child, 'exit').then(([code]) => {
    running.delete(child)
    return code
  })
  let errors = ''
  child.stderr.on('data', (text) => (errors += text))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    /** The next line of the output. */
    async line() {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${command} ${args.join(' ')} has ended: ${errors}`)
      return value
    },
    /** Ends the program and waits for that. */
    async stop(signal = 'SIGINT') {
      child.kill(signal)
      return ended
    },
    /** The exit code, once it has ended. */
    ended,
    errors: () => errors,
  }
}

/** Starts a server. It listens on a free port, unless the address of a previous one is given. */
export async function serve(args = ['--dev'], { address = '127.0.0.1:0', ...options } = {}) {
  const command = options.command ?? program()
  const server = start(command, ['serve', '--listen', address, ...args], options)
  const line = await server.line()
  const url = /listening on (http:\S+)/.exec(line)[1]
  return { ...server, url, address: new URL(url).host, ws: url.replace('http', 'ws') + '/ws' }
}
