// Starts Debian's Chromium, and collects what its pages complain about.

import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { chromium } from 'playwright-core'
import { flags, path } from '../../sdk/ts/test/support/chromium.mjs'

/** Where the files of a run are. */
const run = fileURLToPath(new URL('../run/', import.meta.url))

export function launch(options = {}) {
  return chromium.launch({
    executablePath: path,
    args: flags,
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    ...options,
  })
}

/**
 * Opens a tab in a profile of its own. Its complaints are what the console says at the level of
 * errors and warnings, which includes violations of the content security policy, and exceptions.
 */
export async function tab(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options })
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  const complaints = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`exception: ${error.stack}`))
  if (url) await page.goto(url)
  return Object.assign(page, { complaints, ownContext: context })
}

/** What a browser itself says when a connection fails; no page can prevent it. */
const inevitable = /^error: (WebSocket connection to .* failed|Failed to load resource: net::ERR_)/

export const complaintsOf = (page) => page.complaints.filter((text) => !inevitable.test(text))

/** Keeps a picture of a page with the files of the run. */
export async function picture(page, name) {
  mkdirSync(run, { recursive: true })
  await page.screenshot({ path: `${run}${name}.png` })
}

/** Keeps a text with the files of the run. */
export function keep(name, text) {
  mkdirSync(run, { recursive: true })
  writeFileSync(run + name, text)
}

/** Returns what is not accessible on a page, according to axe. */
export async function violations(page) {
  // Not as a script of the page: its policy does not allow that.
  await page.evaluate(axe.source + ';undefined')
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`)
}
