// Checks what tests do not: the generated table, that builds are reproducible, the package as publint and attw see it, and that
// consumers with several module settings compile.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = (...args) => {
  console.log('> ' + args.join(' '))
  if (spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status !== 0) process.exitCode = 1
}
run('scripts/protocol.mjs', '--check')
run('scripts/build.mjs')
const first = hash()
run('scripts/build.mjs')
if (hash() !== first) {
  console.error('two builds of the same sources differ')
  process.exitCode = 1
}
run('node_modules/publint/src/cli.js', '--strict')
run('node_modules/@arethetypeswrong/cli/dist/index.js', '--pack', '.', '--profile', 'esm-only', '--exclude-entrypoints', 'ignis.js')
run('scripts/consumers.mjs')

function hash() {
  const sum = createHash('sha256')
  for (const name of readdirSync(root + 'dist').sort()) sum.update(name).update(readFileSync(`${root}dist/${name}`))
  return sum.digest('hex')
}
