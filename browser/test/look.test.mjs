import assert from 'node:assert/strict'
import { test } from 'node:test'
import { picture, violations } from '../lib/browser.mjs'
import { about, banner, room, say, says, sees } from '../lib/chat.mjs'
import { suite } from '../lib/suite.mjs'

const focused = (page) => page.evaluate(() => document.activeElement.id)

/** Whether an element is inside of the window as a whole. */
const inside = (page, selector) =>
  page.locator(selector).evaluate((element) => {
    const { top, left, bottom, right } = element.getBoundingClientRect()
    return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth && right > left
  })

suite('the look', (use) => {
  for (const [width, height] of [[360, 640], [960, 600], [1440, 900]]) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${width} pixels, ${colorScheme}`, async () => {
        const server = await use.server()
        const options = { colorScheme, viewport: { width, height } }
        const ann = await use.chat(server, 'ann', { room: 'lobby,plans', ...options })
        assert.equal(await focused(ann), 'text', 'the message field has the focus')
        for (const part of ['#text', '#send', '#state-text', '#title']) assert.ok(await inside(ann, part), `${part} is visible`)
        await ann.keyboard.type('Hello')
        await ann.keyboard.press('Enter')
        await sees(ann, 'Hello')
        const ben = await use.chat(server, 'ben', { room: 'lobby,plans', ...options })
        await says(ben, 'Hello ann. This message is long enough to need more than one line in a narrow window.')
        await room(ben, 'plans').click({ force: true }).catch(() => {})
        await ben.locator('#frame').evaluate((field) => (field.value = '{"event":"moved","data":{"x":3},"room":"lobby"}'))
        await ben.locator('#raw').evaluate((form) => form.requestSubmit())
        await ann.locator('#messages .event').waitFor()
        assert.equal(await ann.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing is wider than the window')
        await picture(ann, `chat ${width} ${colorScheme}`)
        assert.deepEqual(await violations(ann), [])

        // All panels, a message that was not delivered, and a server that has gone.
        for (const panel of ['side', 'frames']) {
          const toggle = ann.locator(`#show-${panel}`)
          if (!(await toggle.isVisible())) continue
          if ((await toggle.getAttribute('aria-expanded')) === 'false') await toggle.click()
          await ann.locator(`#${panel}`).waitFor()
          await picture(ann, `${panel} ${width} ${colorScheme}`)
          assert.deepEqual(await violations(ann), [], panel)
          if (width < 860) await ann.keyboard.press('Escape')
        }
        await ann.locator('#leave').click()
        await say(ann, 'Does this arrive?')
        await ann.locator('.failed').waitFor()
        await server.stop()
        await banner(ann, 'Connection lost.')
        await ann.waitForFunction(() => {
          const { scrollHeight, scrollTop, clientHeight } = document.getElementById('scroll')
          return scrollHeight - scrollTop - clientHeight < 2
        }) // the banner does not push the latest message out of sight
        await picture(ann, `lost ${width} ${colorScheme}`)
        assert.deepEqual(await violations(ann), [], 'without a server')
        assert.ok(await inside(ann, '#text'), 'the message field is still visible')
      })
    }
  }

  test('the keyboard is enough', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann', { viewport: { width: 1280, height: 800 } })
    const press = async (...keys) => {
      for (const key of keys) await ann.keyboard.press(key)
    }
    /** Presses Tab until an element has the focus. */
    const tabTo = async (selector, key = 'Tab') => {
      for (let i = 0; i < 40; i++) {
        if (await ann.evaluate((s) => document.activeElement.matches(s), selector)) return
        await ann.keyboard.press(key)
      }
      assert.fail(`${key} does not reach ${selector}`)
    }
    await ann.keyboard.type('two')
    await press('Shift+Enter')
    await ann.keyboard.type('lines')
    await press('Enter')
    await sees(ann, 'two\nlines')

    await tabTo('#room', 'Shift+Tab')
    await ann.keyboard.type('plans')
    await press('Enter')
    await about(ann, 'joined')
    assert.equal(await ann.locator('#title').textContent(), 'plans')
    assert.equal(await focused(ann), 'text')
    await tabTo('#rooms button[data-room="lobby"]', 'Shift+Tab')
    await press('Enter')
    assert.equal(await ann.locator('#title').textContent(), 'lobby')
    await tabTo('#encrypt', 'Shift+Tab')
    await press('Space')
    await about(ann, 'joined, encrypted')
    await tabTo('#show-frames', 'Shift+Tab')
    await press('Enter')
    await ann.locator('#frames').waitFor({ state: 'hidden' })
    await press('Enter')
    await tabTo('#pause')
    await press('Space')
    await ann.getByRole('button', { name: 'Resume' }).waitFor()
    await tabTo('#leave', 'Shift+Tab')
    await press('Enter')
    await about(ann, 'you are not in this room')
    await tabTo('#text')
    await ann.keyboard.type('anybody?')
    await press('Enter')
    await ann.locator('.failed').waitFor()
    await tabTo('.failed button', 'Shift+Tab')
    await tabTo('.failed button:first-of-type', 'Shift+Tab')
    await press('Enter')
    await ann.locator('.said.delivered').filter({ hasText: 'anybody?' }).waitFor()
  })

  test('narrow windows: panels cover the chat, and Escape closes them', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann', { room: 'lobby,plans', viewport: { width: 360, height: 640 } })
    await ann.locator('#show-side').click()
    await ann.locator('#side').waitFor()
    await ann.locator('#chat').waitFor({ state: 'hidden' })
    await ann.keyboard.press('Escape')
    await ann.locator('#chat').waitFor()
    assert.equal(await focused(ann), 'show-side')
    await ann.locator('#show-side').click()
    await room(ann, 'plans').click()
    await ann.locator('#side').waitFor({ state: 'hidden' })
    assert.equal(await focused(ann), 'text')
    assert.equal(await ann.locator('#title').textContent(), 'plans')
  })

  test('messages of others are read out, briefly', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann')
    const ben = await use.chat(server, 'ben')
    await says(ben, 'Can you hear me?')
    await ann.locator('#announce').filter({ hasText: 'ben: Can you hear me?' }).waitFor()
    for (let i = 0; i < 9; i++) await say(ben, `number ${i}`)
    await ann.locator('#announce').filter({ hasText: /ben: number \d And \d+ more\./ }).waitFor()
    await says(ann, 'I heard you')
    assert.doesNotMatch(await ann.locator('#announce').textContent(), /I heard you/)
  })
})
