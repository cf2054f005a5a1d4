// Builds dist: the modules with their types, and the script for pages without a bundler. The same
// sources always result in the same files.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { bundle } from './bundle.mjs'
import { shorten } from './private.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(root + 'dist', { recursive: true, force: true })
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(1)
let { mangleCache } = shorten
for (const name of readdirSync(root + 'dist').filter((name) => name.endsWith('.js')).sort()) {
  const file = root + 'dist/' + name
  const result = await transform(readFileSync(file, 'utf8'), { ...shorten, mangleCache, target: 'es2022', charset: 'utf8' })
  mangleCache = result.mangleCache
  writeFileSync(file, result.code)
}
await bundle('dist/global.js', { format: 'iife', globalName: 'Ignis', outfile: 'dist/ignis.js', write: true })
rmSync(root + 'dist/global.js')
rmSync(root + 'dist/global.d.ts')
