// Prints the sizes of the bundles, minified and compressed, and fails if one exceeds its budget.

import { gzipSync } from 'node:zlib'
import { bundle } from './bundle.mjs'

const budgets = [
  ['client', "export { Client } from './src/index.ts'", 5120],
  ['client and encryption', "export { Client } from './src/index.ts'; export { encryption } from './src/encryption.ts'", 6500],
  ['client and tabs', "export { Client } from './src/index.ts'; export { sharedClient } from './src/tabs.ts'", 7500],
  // Without the client, of which an application has only one.
  ['react', "export * from './src/react.ts'", 900, { external: ['react'] }],
  ['svelte', "export * from './src/svelte.ts'", 800, { external: ['svelte'] }],
  ['vue', "export * from './src/vue.ts'", 900, { external: ['vue'] }],
  ['dist/ignis.js', "export * from './src/global.ts'", 6500, { format: 'iife', globalName: 'Ignis' }],
]

let failed = false
console.log('bundle                  minified   gzip  budget')
for (const [name, contents, budget, options] of budgets) {
  const text = await bundle(undefined, { entryPoints: undefined, stdin: { contents, resolveDir: '.' }, format: 'esm', ...options })
  const size = gzipSync(text, { level: 9 }).length
  const over = size > budget
  failed ||= over
  console.log(`${name.padEnd(22)} ${String(text.length).padStart(9)} ${String(size).padStart(6)} ${String(budget).padStart(7)}${over ? '  too large' : ''}`)
}
process.exitCode = failed ? 1 : 0
