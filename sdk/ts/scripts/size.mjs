// Prints the sizes of bundles of the built modules, minified and compressed, and fails if one exceeds
// its budget.

import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { bundle } from './bundle.mjs'

const budgets = [
  ['client', "export { Client } from './dist/index.js'", 5120],
  ['client and encryption', "export { Client } from './dist/index.js'; export { encryption } from './dist/encryption.js'", 6500],
  ['client and tabs', "export { Client } from './dist/index.js'; export { sharedClient } from './dist/tabs.js'", 7500],
  // Without the client, of which an application has only one.
  ['react', "export * from './dist/react.js'", 900, { external: ['react'] }],
  ['svelte', "export * from './dist/svelte.js'", 800, { external: ['svelte'] }],
  ['vue', "export * from './dist/vue.js'", 900, { external: ['vue'] }],
  ['dist/ignis.js', '', 6500, {}, 'dist/ignis.js'],
]

let failed = false
console.log('bundle                  minified   gzip  budget')
for (const [name, contents, budget, options, file] of budgets) {
  const text = file ? readFileSync(file) : await bundle(undefined, { entryPoints: undefined, stdin: { contents, resolveDir: '.' }, format: 'esm', ...options })
  const size = gzipSync(text, { level: 9 }).length
  const over = size > budget
  failed ||= over
  console.log(`${name.padEnd(22)} ${String(text.length).padStart(9)} ${String(size).padStart(6)} ${String(budget).padStart(7)}${over ? '  too large' : ''}`)
}
process.exitCode = failed ? 1 : 0
