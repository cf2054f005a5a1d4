// Looks at a page as people with different screens do.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8')
const widths = { narrow: 360, wide: 1200 }

/**
 * Checks a page narrow and wide, light and dark: nothing is wider than the window, and axe finds no
 * violation. If the environment variable EXAMPLES_PICTURES names a folder, it has a picture of each.
 */
export async function looks(tab, name) {
  await tab.call('Page.bringToFront') // a hidden page draws nothing
  await tab.evaluate(axe + ';0')
  for (const [size, width] of Object.entries(widths)) {
    for (const scheme of ['light', 'dark']) {
      await tab.call('Emulation.setDeviceMetricsOverride', { width, height: 760, deviceScaleFactor: 1, mobile: false })
      await tab.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }] })
      await tab.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))))
      const where = `${name}, ${size}, ${scheme}`
      if (process.env.EXAMPLES_PICTURES) await picture(tab, `${name}-${size}-${scheme}`)
      assert.ok(await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where}: the page is wider than the window`)
      const violations = await tab.evaluate(async () => (await axe.run()).violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => html + failureSummary) })))
      assert.deepEqual(violations, [], where)
    }
  }
  await tab.call('Emulation.clearDeviceMetricsOverride')
  await tab.call('Emulation.setEmulatedMedia', { features: [] })
}

async function picture(tab, name) {
  mkdirSync(process.env.EXAMPLES_PICTURES, { recursive: true })
  const { data } = await tab.call('Page.captureScreenshot', { format: 'png' })
  writeFileSync(join(process.env.EXAMPLES_PICTURES, `${name}.png`), Buffer.from(data, 'base64'))
}
