// Builds dist: the modules with their types, and the script for pages without a bundler. The same
// sources always result in the same files.

import { rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(root + 'dist', { recursive: true, force: true })
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(1)
await bundle('src/global.ts', { format: 'iife', globalName: 'Ignis', outfile: 'dist/ignis.js', write: true })
rmSync(root + 'dist/global.js')
rmSync(root + 'dist/global.d.ts')
