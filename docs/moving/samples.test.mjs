// Checks the types of the samples in TypeScript in docs/from-*.md, with those of the other libraries and
// of the client in sdk/ts, and the syntax of the samples in C#. chat.test.mjs runs those in JavaScript.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { blocks } from './page.mjs'

const folder = fileURLToPath(new URL('.', import.meta.url))
const pages = readdirSync(join(folder, '..')).filter((name) => /^from-\w+\.md$/.test(name))
const samples = (...languages) => pages.flatMap((page) => blocks(page).map((block, i) => ({ page, i, ...block }))).filter(({ language }) => languages.includes(language))

test('the samples in TypeScript have the types of the libraries', (t) => {
  const dir = mkdtempSync(join(folder, 'types-')) // here, so that the samples find the packages
  t.after(() => rmSync(dir, { recursive: true }))
  copyFileSync(join(folder, 'globals.d.ts'), join(dir, 'globals.d.ts'))
  let count = 0
  for (const { page, i, text } of samples('ts')) {
    writeFileSync(join(dir, `${page.slice(0, -3)}-${i}.ts`), text + 'export {}\n')
    count++
  }
  assert.ok(count >= 10, `${count} samples`)
  const options = {
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2022', 'dom', 'dom.iterable'],
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    esModuleInterop: true,
    paths: { '@ignis-go/client': ['../../../sdk/ts/src/index.ts'] },
  }
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*'] }))
  const { status, stdout } = spawnSync(process.execPath, [join(folder, 'node_modules/typescript/bin/tsc'), '-p', dir], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the samples in JavaScript are those that the other test runs', () => {
  for (const { page, note, text } of samples('js')) assert.match(note ?? '', /^(file|page) /, `${page}: ${text}`)
})

test('the samples in C# have no syntax errors', async () => {
  const require = createRequire(import.meta.url)
  const { Parser, Language } = require('@vscode/tree-sitter-wasm')
  const wasm = join(folder, 'node_modules/@vscode/tree-sitter-wasm/wasm')
  await Parser.init({ locateFile: (name) => join(wasm, name) })
  const parser = new Parser()
  parser.setLanguage(await Language.load(readFileSync(join(wasm, 'tree-sitter-c-sharp.wasm'))))
  const list = samples('csharp')
  assert.ok(list.length >= 1)
  for (const { page, text } of list) assert.ok(!parser.parse(text).rootNode.hasError, `${page}: ${text}`)
  assert.ok(parser.parse('class { var').rootNode.hasError)
})
