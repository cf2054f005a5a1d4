// The client in the runtimes besides Node.js. Needs Go, and the packages of the directory interop
// (npm ci): npm run test:reference

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { interop } from './support/interop.mjs'
import { startProxy, startServer } from './support/server.mjs'

const program = fileURLToPath(new URL('support/runtime.mjs', import.meta.url))

const runtimes = {
  bun: [`${interop}/node_modules/.bin/bun`],
  deno: [`${interop}/node_modules/.bin/deno`, 'run', '--quiet', '--no-prompt', '--allow-net=127.0.0.1', '--allow-read', '--allow-env'],
  node: [process.execPath], // with its own WebSocket
}

for (const [name, command] of Object.entries(runtimes)) {
  for (const option of ['plain', 'encrypted']) {
    const skip = name === 'node' && !globalThis.WebSocket && 'this version has no WebSocket'
    test(`${name}, ${option}`, { timeout: 60_000, skip }, async (t) => {
      const proxy = await startProxy(t, await startServer(t, { args: ['--encryption', 'optional'] }))
      const child = spawn(command[0], [...command.slice(1), program, proxy.url, option], { stdio: ['ignore', 'pipe', 'pipe'] })
      t.after(() => child.kill('SIGKILL'))
      let output = ''
      let errors = ''
      child.stdout.on('data', (text) => {
        output += text
        if (/^cut\n$/.test(output)) proxy.cut()
      })
      child.stderr.on('data', (text) => (errors += text))
      const [code] = await once(child, 'close')
      assert.deepEqual({ code, errors }, { code: 0, errors: '' })
      assert.deepEqual(JSON.parse(output.replace('cut\n', '')), { before: 'ann: before', after: 'ann: after', state: 'closed', protocol: 2 })
    })
  }
}
