// Compiles a program that uses the package, strictly, with the module settings that consumers have.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const program = `
import { Client, IgnisError, type Room, type State } from '@ignis-go/client'
import { encryption } from '@ignis-go/client/encryption'
import { WebSocket } from 'ws'

interface Events {
  say: { text: string }
  typing: { on: boolean }
  ping: undefined
}

const client = new Client<Events>('wss://example.com/ws', {
  WebSocket,
  token: async ({ reason, signal }) => (signal.aborted ? '' : reason),
  encryption: encryption(),
  reconnect: { minDelay: 100 },
})
const state: State = client.state
const lobby: Room<Events> = client.room('lobby')
const stop: () => void = lobby.on('say', ({ text }, { room, from }) => console.log(text.length, room?.length, from?.userId, state))
client.onState(({ reason, retryAt = 0 }) => console.log(reason?.code === 'rejected', retryAt.toFixed()))
export async function run(): Promise<void> {
  await client.connect()
  const reply = await lobby.send<'say', { id: string }>('say', { text: 'hi' }, { timeout: 1000 })
  console.log(reply.id)
  await client.send('ping')
  // @ts-expect-error the data is required
  await client.send('say')
  // @ts-expect-error the data has another type
  await client.send('typing', { on: 1 })
  // @ts-expect-error there is no such event
  client.on('other', () => {})
  try {
    await client.send('say', { text: '' })
  } catch (error) {
    if (error instanceof IgnisError && error.code === 'too_large') stop()
  }
  const untyped = new Client('/ws')
  untyped.on('anything', (data: unknown) => console.log(data))
  await untyped.send('anything')
}
`
const settings = {
  node16: { module: 'node16' },
  nodenext: { module: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
}

const folder = mkdtempSync(join(tmpdir(), 'consumer-'))
try {
  mkdirSync(join(folder, 'node_modules/@ignis-go'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules/@ignis-go/client'))
  symlinkSync(join(root, 'node_modules/ws'), join(folder, 'node_modules/ws'))
  symlinkSync(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'program.ts'), program)
  for (const [name, compilerOptions] of Object.entries(settings)) {
    const options = { target: 'es2022', lib: ['es2022', 'dom'], strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false, types: [], ...compilerOptions }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['program.ts'] }))
    const { status, stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], { encoding: 'utf8' })
    console.log(`${name}: ${status === 0 ? 'ok' : stdout}`)
    if (status !== 0) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true })
}
