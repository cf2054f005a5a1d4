// Runs an example: node start.mjs NAME. It builds and installs what the example needs, starts its
// programs, and ends all of them on Ctrl-C. Without a name it lists the examples. Flags after the name
// are passed to the program, if it is one in Go. The environment variables PORT (3000) and SERVER
// (127.0.0.1:8080) set where the page and an Ignis server listen.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, createServer as createListener } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { PORT: port = '3000', SERVER: address = '127.0.0.1:8080', TEST_PROGRAM } = process.env
const [name, ...flags] = process.argv.slice(2)
const children = []

const examples = {
  'node-backend': {
    about: 'a team chat with login on a backend in Node.js',
    // The server and the backend share a secret, with which the backend signs tokens, and the backend
    // has a key of the HTTP API. In production, both come from where your secrets are.
    async start() {
      install('examples/node-backend')
      const folder = temporary()
      const secret = randomBytes(32).toString('base64url')
      const [key, , ...keys] = execFileSync(ignis(), ['api-key', 'backend'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')
      const own = readFileSync(join(root, 'examples/node-backend/ignis.yaml'), 'utf8').replaceAll('localhost:3000', `localhost:${port}`)
      writeFileSync(join(folder, 'jwt'), secret, { mode: 0o600 })
      writeFileSync(join(folder, 'ignis.yaml'), own + keys.join('\n'), { mode: 0o600 })
      run(ignis(), ['serve', '--config', join(folder, 'ignis.yaml'), '--log-level', 'warn', '--listen', address, '--jwt-secret-file', join(folder, 'jwt')])
      run(process.execPath, ['server.mjs'], 'examples/node-backend', { PORT: port, SERVER: `http://${address}`, JWT_SECRET: secret, API_KEY: key })
    },
  },
  dashboard: {
    about: 'live prices, and orders with answers',
    start: () => void run(build('dashboard'), ['--listen', `127.0.0.1:${port}`, ...flags]),
  },
  notify: {
    about: 'notifications from the workers of a job queue in Redis',
    async start() {
      const program = build('notify')
      const url = await redis()
      run(program, ['--redis', url, '--listen', `127.0.0.1:${port}`, ...flags])
      for (let i = 0; i < 2; i++) run(program, ['--redis', url, '--worker', ...flags])
    },
  },
  cursors: {
    about: 'a board with notes on which people see the cursors of each other',
    start: () => void run(build('cursors'), ['--listen', `127.0.0.1:${port}`, ...flags]),
  },
  rolling: {
    about: 'a rolling upgrade of three servers behind HAProxy that no client notices',
    page: false,
    async start() {
      need('redis-server', 'install it, for example with: apt install redis-server')
      need('haproxy', 'install it, for example with: apt install haproxy')
      run(build('rolling'), ['--ignis', ignis(), ...flags])
    },
  },
  page: {
    about: 'small: one HTML file without a bundler',
    async start() {
      run(ignis(), ['serve', '--dev', '--listen', address])
      createServer((_request, response) => {
        const page = readFileSync(join(root, 'examples/page/index.html'), 'utf8').replaceAll('127.0.0.1:8080', address)
        response.setHeader('Content-Type', 'text/html').end(page)
      }).listen(port, '127.0.0.1')
    },
  },
  react: {
    about: 'small: a chat with React, TypeScript and Vite',
    async start() {
      client()
      install('examples/react')
      run(ignis(), ['serve', '--dev', '--listen', address])
      run(process.execPath, ['node_modules/vite/bin/vite.js', '--host', '127.0.0.1', '--port', port, '--strictPort'], 'examples/react', { VITE_SERVER: address })
    },
  },
  chat: {
    about: 'small: a chat server in Go with private rooms',
    start: () => void run(build('chat'), ['--listen', `127.0.0.1:${port}`, ...flags]),
  },
  worker: {
    about: 'small: events on schedules, once among all workers',
    page: false,
    async start() {
      const [program, url] = [build('worker'), await redis()]
      run(ignis(), ['serve', '--dev', '--listen', address, '--redis', url])
      for (let i = 0; i < 2; i++) run(program, ['--redis', url])
      await answers(`http://${address}/readyz`)
      run(ignis(), ['listen', `ws://${address}/ws`, '--join', 'lobby'])
    },
  },
}

/** Starts a program, which ends together with the others. */
function run(command, args, folder = '.', env = {}, output = 'inherit') {
  const child = spawn(command, args, { cwd: join(root, folder), stdio: ['ignore', output, 'inherit'], env: { ...process.env, ...env } })
  child.ended = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === 'SIGINT' ? 0 : (code ?? 1))) // a terminal sends Ctrl-C to all
    child.once('error', (error) => resolve(console.error(`${command}: ${error.message}`) ?? 1))
  })
  child.ended.then(stop) // one part is of no use without the others
  children.push(child)
  return child
}

/** Ends everything, those first that were started last, and then this program. */
async function stop(code) {
  if (process.exitCode !== undefined) return
  process.exitCode = code
  for (const child of children.reverse()) {
    const killing = setTimeout(() => child.kill('SIGKILL'), 10_000)
    child.kill('SIGINT')
    await child.ended
    clearTimeout(killing)
  }
  process.exit()
}

/** Ends with a message that says what to do. */
function fail(text) {
  console.error(text)
  process.exit(1)
}

/** The file of the program ignis, which is built unless TEST_PROGRAM names it. */
let program = TEST_PROGRAM
function ignis() {
  if (!program) go(root, '-o', (program = join(root, 'bin/ignis')), './cmd/ignis')
  return program
}

/** Builds an example in Go, and returns the file of the program. */
function build(name) {
  const program = join(root, 'bin/examples', name)
  go(join(root, 'examples'), '-o', program, `./${name}`)
  return program
}

function go(cwd, ...args) {
  need('go', 'install Go from https://go.dev/dl')
  console.log(`building ${args.at(-1)}`)
  execute('go', ['build', ...args], cwd)
}

/** The URL of a Redis: the one in the environment variable REDIS, or one that ends with the example. */
async function redis() {
  if (process.env.REDIS) return process.env.REDIS
  need('redis-server', 'install it, for example with: apt install redis-server; or name another one: REDIS=redis://127.0.0.1:6379')
  const free = createListener().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address()
  await new Promise((resolve) => free.close(resolve))
  run('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', temporary()], '.', {}, 'ignore')
  while (!(await accepts(port))) await pause()
  return `redis://127.0.0.1:${port}`
}

/** A folder that is removed in the end. */
function temporary() {
  const folder = mkdtempSync(join(tmpdir(), 'ignis-example-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function need(program, remedy) {
  const folders = [...process.env.PATH.split(delimiter), '/usr/sbin']
  if (!folders.some((folder) => existsSync(join(folder, program)))) fail(`${program} is missing: ${remedy}`)
}

/** Installs npm packages, unless they are as new as the lock file. */
function install(folder) {
  const time = (name) => statSync(join(root, folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (time('node_modules/.package-lock.json') < time('package-lock.json')) npm(folder, 'ci', '--no-audit', '--no-fund', '--loglevel', 'error')
}

/** Builds the client, which the React example takes from this repository. */
function client() {
  if (existsSync(join(root, 'sdk/ts/dist'))) return
  install('sdk/ts')
  npm('sdk/ts', 'run', '--silent', 'build')
}

function npm(folder, ...args) {
  need('npm', 'install Node.js from https://nodejs.org')
  console.log(`npm ${args[0]} in ${folder}`)
  execute('npm', args, join(root, folder))
}

/** Runs a program to its end. If it fails, it has said why. */
function execute(command, args, cwd) {
  if (spawnSync(command, args, { cwd, stdio: 'inherit' }).status !== 0) process.exit(1)
}

/** Waits until a URL answers. */
async function answers(url) {
  while (!(await fetch(url).catch(() => ({}))).ok) await pause()
}

/** Whether something listens on a port. */
async function accepts(port) {
  const connection = connect(port, '127.0.0.1')
  try {
    await once(connection, 'connect')
    return true
  } catch {
    return false
  } finally {
    connection.destroy()
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 50))

process.on('SIGINT', () => stop(0))
process.on('SIGTERM', () => stop(0))
process.on('uncaughtException', (error) => {
  console.error(error.message)
  stop(1)
})
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL'))) // of those that have not ended
const example = examples[name]
if (!example) {
  console.error('usage: node start.mjs NAME [FLAGS]\n')
  for (const [name, { about }] of Object.entries(examples)) console.error(`  ${name.padEnd(14)}${about}`)
  process.exit(2)
}
await example.start()
if (example.page !== false) {
  await answers(`http://127.0.0.1:${port}`)
  console.log(`\n  open http://localhost:${port} in two windows; Ctrl-C ends everything\n`)
}
