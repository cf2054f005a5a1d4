// Compiles the components as an application for browsers does.

import { build } from 'esbuild'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compile } from 'svelte/compiler'

const here = fileURLToPath(new URL('.', import.meta.url))
const svelte = {
  name: 'svelte',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.svelte$/ }, ({ path }) => {
      return { contents: compile(readFileSync(path, 'utf8'), { filename: path, generate: 'client' }).js.code }
    }),
}

const contents = "export { mount, unmount, flushSync } from 'svelte'; export { get } from 'svelte/store'; export * from '../../dist/svelte.js'; export { default as Chat } from './Chat.svelte'"
const { outputFiles } = await build({
  stdin: { contents, resolveDir: here },
  bundle: true,
  write: false,
  format: 'esm',
  conditions: ['browser'],
  plugins: [svelte],
  logLevel: 'warning',
})
export const { mount, unmount, flushSync, get, Chat, ignisStore, roomStore } = await import(
  'data:text/javascript;base64,' + Buffer.from(outputFiles[0].contents).toString('base64')
)
