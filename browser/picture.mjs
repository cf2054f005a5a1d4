// Makes docs/chat.png, and docs/chat.gif with --recording: always the same, except for what
// a new version of Chromium or another font changes.

import { writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { launch, tab } from './lib/browser.mjs'
import { about, say, sees, state } from './lib/chat.mjs'
import { animation, beside } from './lib/gif.mjs'
import { redis } from './lib/redis.mjs'
import { program, root, serve, start as run } from './lib/server.mjs'

const opened = []
const address = '127.0.0.1:8080'
// The page shows how to run this program: as users do who have installed it.
const env = { PATH: `${dirname(program())}:${process.env.PATH}` }
const start = (...args) => serve(['--dev', ...args], { address, command: 'ignis', env })

/** What differs in each run is replaced before the page starts: random numbers and the time. */
async function open(browser, url, options) {
  const page = await tab(browser, undefined, { timezoneId: 'UTC', colorScheme: 'light', ...options })
  await page.addInitScript(() => {
    let seed = 7
    Math.random = () => ((seed = (seed * 16807) % 2147483647) - 1) / 2147483646
  })
  await page.goto(url)
  await state(page, 'connected')
  await about(page, 'joined')
  return page
}

/** Sets the clock of pages, which otherwise stands still. */
const at = (time, ...pages) => Promise.all(pages.map((page) => page.clock.setFixedTime(new Date(`2026-01-15T${time}Z`))))

/** Replaces the IDs of clients in the frames, in the order in which they appear. */
const replaceIDs = (page) =>
  page.evaluate(() => {
    const ids = new Map()
    const made = ['5f2c9a10-7d3e-4b86-9c41-e0a8d2b7f365', 'b81d04e7-26fa-4c5d-8e93-41c7a90f6d28', '0c7e53d9-a41b-4f28-b6d5-93e8f1a24c70']
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      walker.currentNode.data = walker.currentNode.data.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => ids.get(id) ?? (ids.set(id, made[ids.size % made.length]), ids.get(id)))
    }
  })

async function picture(browser) {
  const data = await redis(6379)
  if (data.missing) throw new Error(data.missing)
  const server = await start('--redis', data.url)
  opened.push(data, server)
  const ann = await open(browser, `${server.url}/?user=ann&room=lobby,releases,support`, { viewport: { width: 1280, height: 850 } })
  const ben = await open(browser, `${server.url}/?user=ben&room=lobby,releases,support`)
  await at('09:41:07.120', ann, ben)
  await say(ann, 'Good morning! Is anybody here?')
  await sees(ben, 'Good morning!')
  await at('09:41:19.480', ann, ben)
  await ben.locator('#text').evaluate((field) => (field.value = 'Yes, in the second tab.'))
  await ben.locator('#text').press('Enter')
  await sees(ann, 'Yes, in')
  await ben.locator('#text').evaluate((field) => (field.value = 'Everything that goes over the wire is on the right.'))
  await ben.locator('#text').press('Enter')
  await sees(ann, 'Everything')
  await at('09:42:02.316', ann, ben)
  await ben.locator('#rooms button').filter({ hasText: 'releases' }).click()
  await ben.locator('#text').evaluate((field) => (field.value = 'v0.5 is out'))
  await ben.locator('#text').press('Enter')
  await ann.locator('#rooms').filter({ hasText: '1 new' }).waitFor()
  await ben.locator('#rooms button').filter({ hasText: 'lobby' }).click()
  await run(program(), ['emit', '--redis', data.url, 'room', 'lobby', 'build', '{"branch":"main","passed":true,"seconds":41}']).ended
  await ann.locator('#messages .event').waitFor()
  await at('09:42:30.904', ann, ben)
  await ann.locator('#text').evaluate((field) => (field.value = 'And the server says who sent it, whatever a client writes.'))
  await ann.locator('#text').press('Enter')
  await sees(ann, 'And the server')
  await ben.locator('#text').pressSequentially('Nice')
  await ann.locator('#typing-text').filter({ hasText: 'ben is typing' }).waitFor()
  await replaceIDs(ann)
  await ann.locator('#frames-scroll').evaluate((list) => (list.scrollTop = list.scrollHeight))
  writeFileSync(`${root}docs/chat.png`, await ann.screenshot())
}

async function recording(browser) {
  let server = await start()
  opened.push({ stop: () => server.stop('SIGKILL') })
  const viewport = { width: 540, height: 560 }
  const ann = await open(browser, `${server.url}/?user=ann&room=lobby`, { viewport })
  const ben = await open(browser, `${server.url}/?user=ben&room=lobby`, { viewport })
  const frames = []
  /** Adds what both tabs look like, for a number of milliseconds. */
  async function show(duration) {
    const pngs = await Promise.all([ann, ben].map((page) => page.screenshot()))
    frames.push({ picture: beside(pngs, 12, [140, 132, 123]), duration })
  }
  async function type(page, other, text) {
    for (let i = 0; i < text.length; i += 3) {
      await page.locator('#text').pressSequentially(text.slice(i, i + 3))
      if (i === 0) await other.locator('#typing[data-on="true"]').waitFor()
      await show(90)
    }
    await show(500)
    await page.locator('#text').press('Enter')
    await sees(other, text)
    await other.locator('#typing[data-on="false"]').waitFor()
    await page.locator('.said.mine.delivered').filter({ hasText: text }).waitFor()
    await show(1100)
  }
  await at('09:41:07.120', ann, ben)
  await show(1200)
  await type(ann, ben, 'Hello, is anybody here?')
  await type(ben, ann, 'Yes, in the second tab.')

  await at('09:41:30.000', ann, ben)
  await server.stop('SIGKILL')
  await Promise.all([state(ann, 'waiting'), state(ben, 'waiting')])
  // Between the attempts, the page says the same.
  await ann.locator('#banner-text').filter({ hasText: 'No server answers' }).waitFor()
  await ben.locator('#banner-text').filter({ hasText: 'No server answers' }).waitFor()
  for (const page of [ann, ben]) {
    await page.locator('#banner-time').evaluate((time) => (time.textContent = 'Next attempt in 2 s.'))
  }
  await show(1800)
  await ann.locator('#text').pressSequentially('Does this get lost?')
  await ann.locator('#text').press('Enter')
  await ann.locator('.said.waiting').waitFor()
  await show(1800)
  await at('09:41:34.000', ann, ben)
  server = await start()
  for (const page of [ann, ben]) await page.locator('#banner-action').click({ timeout: 1000 }).catch(() => {})
  await Promise.all([about(ann, 'joined'), about(ben, 'joined')])
  await ann.locator('.said.delivered').filter({ hasText: 'Does this' }).waitFor()
  await show(1500)
  await type(ben, ann, 'No: it waited for the server.')
  await show(1500)
  writeFileSync(`${root}docs/chat.gif`, animation(frames))
}

const browser = await launch()
try {
  if (process.argv.includes('--recording')) await recording(browser)
  else await picture(browser)
} finally {
  await browser.close()
  for (const { stop } of opened.reverse()) await stop()
}
