import assert from 'node:assert/strict'
import { test } from 'node:test'
import { size } from '../dist/frames.js'

test('the size is that in UTF-8, without a TextEncoder', () => {
  const { TextEncoder } = globalThis
  for (const text of ['', 'a', '\x7f', '\x80', 'é', '\u07ff', '\u0800', '€', '\ud7ff', '\ue000', '\uffff', '😀', '\ud800', '😀é€x'.repeat(100)]) {
    const json = JSON.stringify(text)
    const expected = new TextEncoder().encode(json).length
    delete globalThis.TextEncoder
    try {
      assert.equal(size(json), expected, json)
    } finally {
      globalThis.TextEncoder = TextEncoder
    }
  }
})
