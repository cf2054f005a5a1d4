// A suite has one browser. A test closes its tabs and servers, and fails if a page complained.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe } from 'node:test'
import { complaintsOf, launch, picture } from './browser.mjs'
import { chat } from './chat.mjs'
import { serve } from './server.mjs'

export function suite(name, tests, { timeout = 180_000 } = {}) {
  describe(name, { timeout }, () => {
    let browser
    const pages = []
    const servers = []
    before(async () => (browser = await launch()))
    after(() => browser?.close())

    const keep = (page) => pages.push(page) && page
    const use = {
      browser: () => browser,
      server: async (...args) => {
        const server = await serve(...args)
        servers.push(server)
        return server
      },
      chat: async (...args) => keep(await chat(browser, ...args)),
      keep,
    }
    afterEach(async (test) => {
      const opened = pages.splice(0)
      try {
        if (test.passed === false) for (const [i, page] of opened.entries()) await picture(page, `failed ${test.name} ${i + 1}`.replaceAll(/\W+/g, '-'))
        for (const page of opened) assert.deepEqual(complaintsOf(page), [], 'the page complained')
      } finally {
        for (const page of opened) await page.ownContext.close()
        for (const server of servers.splice(0)) await server.stop('SIGKILL')
      }
    })
    tests(use)
  })
}
