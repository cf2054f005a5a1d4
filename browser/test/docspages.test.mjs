import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tab, violations } from '../lib/browser.mjs'
import { suite } from '../lib/suite.mjs'

const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)

suite('all pages of the documentation', (use) => {
  test('they do not scroll sideways, and are accessible', async () => {
    const server = await use.server()
    const page = use.keep(await tab(use.browser(), `${server.url}/docs/`))
    const index = await page.evaluate(async () => (await fetch('search.json')).json())
    assert.ok(index.length > 20)
    for (const { file } of index) {
      await page.setViewportSize({ width: 360, height: 740 })
      await page.goto(`${server.url}/docs/${file}`)
      assert.ok(await fits(page), `${file}, 360 pixels`)
      assert.deepEqual(await violations(page), [], file)
      for (const width of [768, 1240]) {
        await page.setViewportSize({ width, height: 900 })
        assert.ok(await fits(page), `${file}, ${width} pixels`)
      }
    }
  })
}, { timeout: 400_000 })
