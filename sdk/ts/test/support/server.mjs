// The real server, as a process, and a proxy that does to connections what networks do.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../..', import.meta.url))
let binary

/** Builds the server once, or uses the one in the environment variable SERVER_BINARY. */
function build() {
  if (binary) return binary
  if (process.env.SERVER_BINARY) return (binary = process.env.SERVER_BINARY)
  const folder = mkdtempSync(join(tmpdir(), 'ignis-sdk-'))
  process.on('exit', () => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ignis')
  const { status, stderr } = spawnSync('go', ['build', '-o', path, './cmd/ignis'], { cwd: repository, encoding: 'utf8' })
  if (status !== 0) throw new Error(`go build: ${stderr}`)
  return (binary = path)
}

/** Starts a server in development mode, and stops it after the test. */
export async function startServer(t, { port = 0, args = [], mode = ['--dev'] } = {}) {
  const process = spawn(build(), ['serve', ...mode, '--listen', `127.0.0.1:${port}`, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const address = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      output += chunk
      const found = /127\.0\.0\.1:(\d+)/.exec(output)
      if (found && /listening|serving/.test(output)) resolve(Number(found[1]))
    }
    process.stdout.on('data', read)
    process.stderr.on('data', read)
    process.on('exit', () => reject(new Error(`the server ended: ${output}`)))
  })
  const stop = (signal = 'SIGKILL') =>
    new Promise((resolve) => {
      if (process.exitCode !== null || process.signalCode) return resolve()
      process.on('exit', resolve)
      process.kill(signal)
    })
  t.after(() => stop())
  return { port: address, url: `ws://127.0.0.1:${address}/ws`, stop, output: () => output }
}

/** A TCP proxy. Its methods apply to the connections that are open. */
export async function startProxy(t, target) {
  const pairs = new Set()
  const proxy = {
    refuse: false, // new connections end immediately
    delay: 0, // milliseconds for each chunk in each direction
    accepted: 0,
    /** Ends all connections without a close frame. */
    cut() {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
    },
    /** Lets nothing through any more, but keeps the connections open. */
    stall() {
      for (const pair of pairs) pair.stalled = true
    },
    count: () => pairs.size,
  }
  const listener = net.createServer((client) => {
    proxy.accepted++
    if (proxy.refuse) return client.destroy()
    const server = net.connect(target.port, '127.0.0.1')
    const pair = { client, server, stalled: false }
    pairs.add(pair)
    const pipe = (from, to) => {
      from.on('data', (chunk) => {
        const forward = () => pair.stalled || to.write(chunk)
        if (proxy.delay) setTimeout(forward, proxy.delay)
        else forward()
      })
      from.on('end', () => pair.stalled || to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        pairs.delete(pair)
        if (!pair.stalled) to.destroy()
      })
    }
    pipe(client, server)
    pipe(server, client)
  })
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    listener.close()
    proxy.cut()
  })
  proxy.url = `ws://127.0.0.1:${listener.address().port}/ws`
  return proxy
}
