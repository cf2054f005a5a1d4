// Starts a redis-server on a free port, if there is one.

import { execFileSync } from 'node:child_process'
import { start } from './server.mjs'
import { freePort } from '../../sdk/ts/test/support/port.mjs'

/** Starts Redis on a port, or on a free one. */
export async function redis(wanted) {
  try {
    execFileSync('redis-server', ['--version'])
  } catch {
    if (process.env.TEST_REQUIRE_REDIS === '1') throw new Error('redis-server is missing and TEST_REQUIRE_REDIS=1')
    return { missing: 'redis-server is missing' }
  }
  const port = wanted ?? (await freePort())
  const server = start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'])
  while (!/Ready to accept connections/.test(await server.line()));
  return { url: `redis://127.0.0.1:${port}`, stop: () => server.stop() }
}
