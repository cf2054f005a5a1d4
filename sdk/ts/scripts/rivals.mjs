// Prints the sizes of other clients, bundled, minified and compressed as scripts/size.mjs does it, as a
// table for README.md. Downloads them from npm into a temporary folder.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bundle } from './bundle.mjs'

// What an application imports: the client alone.
const rivals = [
  ['phoenix', 'Socket'],
  ['socket.io-client', 'io'],
  ['@microsoft/signalr', 'HubConnectionBuilder'],
  ['pusher-js', 'default'],
  ['centrifuge', 'Centrifuge'],
  ['ably', 'Realtime'],
]

const dir = mkdtempSync(join(tmpdir(), 'rivals-'))
try {
  const names = rivals.map(([name]) => `${name}@latest`)
  const npm = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', dir, ...names], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (npm.status !== 0) throw new Error('npm install failed')
  const row = async (title, contents, resolveDir) => {
    const text = await bundle(undefined, { entryPoints: undefined, stdin: { contents, resolveDir }, format: 'esm', platform: 'browser', logLevel: 'error' })
    console.log(`| ${title} | ${(gzipSync(text, { level: 9 }).length / 1024).toFixed(1)} |`)
  }
  console.log('| client | KB |\n|---|---|')
  await row('**@ignis-go/client**', "export { Client } from './dist/index.js'", '.')
  await row('**@ignis-go/client** with encryption', "export { Client } from './dist/index.js'; export { encryption } from './dist/encryption.js'", '.')
  for (const [name, value] of rivals) {
    const { version } = JSON.parse(readFileSync(join(dir, 'node_modules', name, 'package.json'), 'utf8'))
    await row(`${name} ${version}`, `export { ${value} } from '${name}'`, dir)
  }
} finally {
  rmSync(dir, { recursive: true })
}
