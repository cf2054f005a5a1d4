import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { picture, tab, violations } from '../lib/browser.mjs'
import { program } from '../lib/server.mjs'
import { suite } from '../lib/suite.mjs'

const narrow = { width: 360, height: 740 }
const wide = { width: 1440, height: 900 }

const pressed = (page) => page.locator('#theme').getAttribute('aria-pressed')
/** Waits until the search shows the results for a text. */
const shown = (page, text) => page.waitForFunction((text) => document.getElementById('found').dataset.query === text, text)
const results = (page) => page.locator('#results li')

suite('the documentation', (use) => {
  /** Opens a page of the documentation. */
  async function docs(file = '', options = {}) {
    const server = await use.server()
    const page = use.keep(await tab(use.browser(), `${server.url}/docs/${file}`, { viewport: wide, ...options }))
    return Object.assign(page, { base: `${server.url}/docs/` })
  }

  /** Opens the search and types a text. */
  async function search(page, text, key = '/') {
    await page.keyboard.press(key)
    await page.locator('#search').waitFor()
    await page.locator('#query').fill(text)
    await shown(page, text)
  }

  async function closeSearch(page) {
    await page.keyboard.press('Escape')
    await page.locator('#search').waitFor({ state: 'hidden' })
  }

  for (const [size, viewport] of Object.entries({ narrow, wide })) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${size}, ${colorScheme}`, async () => {
        const page = await docs('', { viewport, colorScheme })
        assert.equal(await pressed(page), String(colorScheme === 'dark'))
        for (const file of ['index.html', 'configuration.html', 'missing']) {
          if (file === 'missing') page.complaints.length = 0
          await page.goto(page.base + file)
          await picture(page, `docs ${file} ${size} ${colorScheme}`)
          assert.deepEqual(await violations(page), [], file)
        }
        page.complaints.splice(0, page.complaints.length, ...page.complaints.filter((text) => !/404/.test(text)))
        await search(page, 'rotate')
        await picture(page, `docs search ${size} ${colorScheme}`)
        assert.deepEqual(await violations(page), [], 'the search')
        await closeSearch(page)
        if (viewport === narrow) {
          await page.getByRole('button', { name: 'Menu' }).click()
          await page.locator('#pages').waitFor()
          await picture(page, `docs menu ${colorScheme}`)
          assert.deepEqual(await violations(page), [], 'the menu')
        }
      })
    }
  }

  test('the search needs only the keyboard', async () => {
    const page = await docs('logs.html')
    const query = page.locator('#query')
    await search(page, 'rotating keys')
    assert.equal(await results(page).first().locator('.where').textContent(), 'Tokens › Rotating keys')
    assert.equal(await query.getAttribute('aria-expanded'), 'true')
    const active = () => page.evaluate(() => document.getElementById(document.getElementById('query').getAttribute('aria-activedescendant')).getAttribute('aria-selected'))
    assert.equal(await active(), 'true')
    await page.keyboard.press('ArrowDown')
    assert.equal(await results(page).nth(1).getAttribute('aria-selected'), 'true')
    assert.equal(await results(page).first().getAttribute('aria-selected'), 'false')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('ArrowUp') // from the first to the last
    assert.equal(await results(page).last().getAttribute('aria-selected'), 'true')
    assert.equal(await active(), 'true')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/docs/tokens.html#rotating-keys')
    assert.equal(await page.locator('#search').isVisible(), false)

    await search(page, 'rotate', 'Control+k')
    await closeSearch(page)
    await page.locator('#find').click()
    await query.waitFor()
    assert.equal(await query.inputValue(), 'rotate')
    await page.keyboard.type('drain/')
    assert.equal(await query.inputValue(), 'drain/', 'what was there is replaced, and a slash is a character')
  })

  test('the search finds words, beginnings of words, settings and codes', async () => {
    const page = await docs()
    const first = async (text) => {
      await search(page, text)
      const where = await results(page).first().textContent()
      await closeSearch(page)
      return where
    }
    for (const [text, want] of [
      ['docker comp', /^Deployments › Docker Compose/],
      ['NGINX', /nginx/],
      ['--drain-window', /--drain-window/],
      ['max-clients', /^Configuration › limits\.max_clients/],
      ['IGNIS_MAX_CLIENTS', /^Configuration › limits\.max_clients/],
      ['ignis_clients', /^Metrics › ignis_clients/],
      ['4003', /4003/],
      ['sizing', /^Sizing/],
      ['prometheus', /Prometheus/],
    ]) assert.match(await first(text), want, text)
    await search(page, 'kuberntes')
    assert.equal(await page.locator('#found').textContent().then((text) => text.split('.')[0]), 'Showing “kubernetes” instead of “kuberntes”')
    assert.ok((await results(page).locator('mark').allTextContents()).some((text) => /kubernetes/i.test(text)), 'the match is marked')
  })

  test('what is typed stays text', async () => {
    const page = await docs()
    await search(page, '<img src=x onerror=alert(1)> zzzzqqq')
    await closeSearch(page)
    await search(page, '<b>zzzzqqq</b>')
    assert.equal(await page.locator('#found').textContent(), 'Nothing found for “<b>zzzzqqq</b>”.')
    assert.equal(await page.locator('#query').getAttribute('aria-expanded'), 'false')
    await page.locator('#query').fill('<script>')
    await shown(page, '<script>')
    assert.equal(await page.locator('#search :is(script, img, b)').count(), 0)
  })

  test('the colors are those of the system, until the user chooses', async () => {
    const page = await docs('tokens.html', { colorScheme: 'light' })
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const light = await back()
    await page.locator('#theme').click()
    assert.equal(await pressed(page), 'true')
    const dark = await back()
    assert.notEqual(dark, light)
    await page.goto(page.base + 'limits.html')
    assert.deepEqual([await back(), await pressed(page)], [dark, 'true'], 'the choice is kept')
    await page.locator('#theme').click()
    assert.equal(await back(), light)
    await page.emulateMedia({ colorScheme: 'dark' })
    assert.deepEqual([await back(), await pressed(page)], [dark, 'true'], 'the system decides again')
  })

  test('the menu of a narrow window', async () => {
    const page = await docs('tokens.html', { viewport: narrow })
    const menu = page.locator('#pages')
    assert.equal(await menu.isVisible(), false)
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await menu.waitFor()
    assert.equal(await menu.locator('[aria-current="page"]').textContent(), 'Tokens')
    await page.keyboard.press('Escape')
    await menu.waitFor({ state: 'hidden' })
    await page.keyboard.press('Enter')
    await menu.getByRole('link', { name: 'Limits', exact: true }).click()
    await page.waitForURL('**/limits.html')
    await page.locator('#contents summary').click()
    await page.locator('#contents a').last().click()
    assert.equal(await page.locator('#contents').evaluate((details) => details.open), false)
    await page.waitForFunction(() => document.querySelector(':target').getBoundingClientRect().top < innerHeight)
  })

  test('boxes that scroll, the table of contents, and copied code', async () => {
    const page = await docs('limits.html', { viewport: narrow })
    const table = page.locator('.table').first()
    await page.waitForFunction(() => document.querySelector('.table').tabIndex === 0)
    await table.focus()
    await page.keyboard.press('ArrowRight')
    await page.waitForFunction(() => document.querySelector('.table').scrollLeft > 0)

    await page.setViewportSize(wide)
    await page.goto(page.base + 'tokens.html#claims')
    await page.locator('#contents a[aria-current]').filter({ hasText: 'Claims' }).waitFor()

    await page.ownContext.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.goto(page.base)
    const code = page.locator('.code').filter({ hasText: 'ignis serve --dev' })
    await code.hover()
    await code.getByRole('button').click()
    await code.getByRole('button', { name: 'Copied' }).waitFor()
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^go install \S+\nignis serve --dev$/)
  })

  test('printed, it is only the text', async () => {
    const page = await docs('limits.html')
    await page.emulateMedia({ media: 'print' })
    for (const part of ['.top', '#pages', '.contents', '.pager']) assert.equal(await page.locator(part).isVisible(), false, part)
    assert.equal(await page.locator('article table').first().isVisible(), true)
  })

  test('without scripts, pages and the menu work', async () => {
    const page = await docs('tokens.html', { viewport: narrow, javaScriptEnabled: false })
    assert.equal(await page.locator('#find').isVisible(), false)
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.locator('#pages').getByRole('link', { name: 'Limits', exact: true }).click()
    await page.waitForURL('**/limits.html')
  })

  test('in a folder of a web host, without another host', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ignis-docs-'))
    execFileSync(program(), ['docs', '--out', directory])
    const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png' }
    const http = createServer((request, response) => {
      const { pathname } = new URL(request.url, 'http://localhost')
      if (!pathname.startsWith('/team/docs/')) return void response.writeHead(404).end()
      const file = normalize(pathname.slice('/team/docs/'.length))
      const name = file === '.' ? 'index.html' : file
      response.writeHead(200, { 'content-type': types[extname(name)] }).end(readFileSync(join(directory, name)))
    })
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    try {
      const origin = `http://127.0.0.1:${http.address().port}`
      const page = use.keep(await tab(use.browser()))
      const asked = new Set()
      page.on('request', (request) => asked.add(new URL(request.url()).origin))
      await page.goto(`${origin}/team/docs/`)
      await search(page, 'rotating keys')
      await page.keyboard.press('Enter')
      await page.waitForURL('**/team/docs/tokens.html#rotating-keys')
      await page.locator('.pager .next').click()
      await page.waitForURL('**/team/docs/access.html')
      assert.deepEqual([...asked], [origin])
    } finally {
      http.close()
      http.closeAllConnections()
      rmSync(directory, { recursive: true })
    }
  })

  test('the development page leads to it', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann')
    const [page] = await Promise.all([ann.ownContext.waitForEvent('page'), ann.getByRole('link', { name: 'Documentation' }).click()])
    await page.getByRole('heading', { name: 'Ignis for Go' }).waitFor()
  })
})
