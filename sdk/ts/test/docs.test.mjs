// Compiles the samples in docs/browser.md. examples/browser.test.mjs runs those in docs/history.md.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { compile } from 'svelte/compiler'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, '../../docs/browser.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text }))

// What samples use that others declare.
const prelude = `
import { Client } from '@ignis-go/client'
declare const client: Client<{ say: { text: string; id?: string }; quote: string }>
declare const lobby: ReturnType<typeof client.room>
`

test('the samples in TypeScript compile', (t) => {
  const folder = mkdtempSync(join(root, 'docs-')) // inside the package, so that it can import itself
  t.after(() => rmSync(folder, { recursive: true }))
  let count = 0
  for (const { language, text } of blocks) {
    if (language !== 'ts' && language !== 'tsx') continue
    const declared = /const client\b/.test(text) ? '' : text.includes('const lobby') ? prelude.replace(/.*const lobby.*/, '') : prelude
    writeFileSync(join(folder, `${count++}.${language}`), declared + text + 'export {}\n')
  }
  assert.ok(count > 5, `${count} samples`)
  const options = { target: 'es2022', module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx', strict: true, noEmit: true, skipLibCheck: true, lib: ['es2022', 'dom', 'dom.iterable'], types: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*'] }))
  const { status, stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the sample for Svelte compiles', () => {
  const { text } = blocks.find(({ language }) => language === 'svelte')
  assert.deepEqual(compile(text, { generate: 'client' }).warnings.map(({ message }) => message), [])
})
