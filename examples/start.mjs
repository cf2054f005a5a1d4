// Runs an example for browsers: node start.mjs page, react or node-backend. It starts an Ignis
// server and what serves the page, and ends both on Ctrl-C.

import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { PORT: port = '3000', SERVER: address = '127.0.0.1:8080' } = process.env
const children = []

const examples = {
  async page() {
    ignis('serve', '--dev', '--listen', address)
    createServer((_request, response) => {
      const page = readFileSync(join(root, 'examples/page/index.html'), 'utf8').replaceAll('127.0.0.1:8080', address)
      response.setHeader('Content-Type', 'text/html').end(page)
    }).listen(port, '127.0.0.1')
  },

  async react() {
    client()
    install('examples/react')
    ignis('serve', '--dev', '--listen', address)
    run(process.execPath, ['node_modules/vite/bin/vite.js', '--host', '127.0.0.1', '--port', port, '--strictPort'], 'examples/react', { VITE_SERVER: address })
  },

  // The server and the backend share a secret, with which the backend signs tokens, and the backend
  // has a key of the HTTP API. In production, both come from where your secrets are.
  async 'node-backend'() {
    install('examples/node-backend')
    const secrets = mkdtempSync(join(tmpdir(), 'ignis-example-'))
    process.on('exit', () => rmSync(secrets, { recursive: true }))
    const secret = randomBytes(32).toString('base64url')
    const [key, , ...keys] = execFileSync(program(), ['api-key', 'backend'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')
    const own = readFileSync(join(root, 'examples/node-backend/ignis.yaml'), 'utf8').replaceAll('localhost:3000', `localhost:${port}`)
    writeFileSync(join(secrets, 'jwt'), secret)
    writeFileSync(join(secrets, 'ignis.yaml'), own + keys.join('\n'))
    ignis('serve', '--config', join(secrets, 'ignis.yaml'), '--listen', address, '--jwt-secret-file', join(secrets, 'jwt'))
    run(process.execPath, ['server.mjs'], 'examples/node-backend', { PORT: port, SERVER: `http://${address}`, JWT_SECRET: secret, API_KEY: key })
  },
}

/** The file of the program ignis, which is built unless TEST_PROGRAM names it. */
function program() {
  if (process.env.TEST_PROGRAM) return process.env.TEST_PROGRAM
  execFileSync('go', ['build', '-o', 'bin/ignis', './cmd/ignis'], { cwd: root, stdio: 'inherit' })
  return join(root, 'bin/ignis')
}

const ignis = (...args) => run(program(), args)

function run(command, args, folder = '.', env = {}) {
  const child = spawn(command, args, { cwd: join(root, folder), stdio: 'inherit', env: { ...process.env, ...env } })
  child.on('exit', (code) => stop(code ?? 1))
  children.push(child)
}

/** Ends everything, since one part without the others is of no use. */
function stop(code) {
  for (const child of children.splice(0)) child.kill('SIGINT')
  process.exitCode ??= code
  process.exit()
}

function install(folder) {
  if (existsSync(join(root, folder, 'node_modules'))) return
  npm(folder, 'ci', '--no-audit', '--no-fund')
}

/** Builds the client, which the React example takes from this repository. */
function client() {
  if (existsSync(join(root, 'sdk/ts/dist'))) return
  install('sdk/ts')
  npm('sdk/ts', 'run', 'build')
}

function npm(folder, ...args) {
  execFileSync('npm', args, { cwd: join(root, folder), stdio: 'inherit' })
}

process.on('SIGINT', () => stop(0))
process.on('SIGTERM', () => stop(0))
const example = examples[process.argv[2]]
if (!example) {
  console.error(`usage: node start.mjs ${Object.keys(examples).join('|')}`)
  process.exit(2)
}
await example()
console.log(`open http://localhost:${port} in two tabs`)
