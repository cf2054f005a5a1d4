// What the tests do on the development page. Everything waits for what the page shows.

import { tab } from './browser.mjs'

/** Opens the page as a user in rooms, and waits until it is connected. */
export async function chat(browser, server, user, { room = 'lobby', query = '', until = 'connected', ...options } = {}) {
  const page = await tab(browser, `${server.url}/?user=${user}&room=${room}${query}`, options)
  await state(page, until)
  if (until === 'connected') await about(page, /^joined/)
  return page
}

export const state = (page, name) => page.locator(`#state[data-state="${name}"]`).waitFor()

/** Waits until the page says this about the current room. */
export const about = (page, text) => page.locator('#about').filter({ hasText: text }).waitFor()

/** Waits for messages in the current room. */
export const sees = async (page, ...texts) => {
  for (const text of texts) await page.locator('.said .body').filter({ hasText: text }).first().waitFor()
}

export async function say(page, text) {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

/** Says something and waits until it was delivered. */
export async function says(page, text) {
  await say(page, text)
  await page.locator('.said.mine.delivered .body').filter({ hasText: text }).last().waitFor()
}

export const note = (page, text) => page.locator('.note').filter({ hasText: text }).last().waitFor()
export const banner = (page, text) => page.locator('#banner:not([hidden])').filter({ hasText: text }).waitFor()
export const room = (page, name) => page.locator('#rooms button').filter({ hasText: name })
