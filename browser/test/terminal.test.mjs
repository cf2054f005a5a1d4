import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { says, sees } from '../lib/chat.mjs'
import { redis } from '../lib/redis.mjs'
import { program, start } from '../lib/server.mjs'
import { suite } from '../lib/suite.mjs'

suite('commands on the page', (use) => {
  let directory
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'ignis browser '))
    symlinkSync(program(), join(directory, 'ignis'))
  })
  after(() => rmSync(directory, { recursive: true }))

  /** What the button Copy of a command copies. */
  async function copied(page, title) {
    await page.ownContext.grantPermissions(['clipboard-read', 'clipboard-write'])
    const entry = page.locator('.command').filter({ hasText: title })
    await entry.getByRole('button').click()
    await entry.getByRole('button', { name: 'Copied' }).waitFor()
    return page.evaluate(() => navigator.clipboard.readText())
  }

  const shell = (command) => start('sh', ['-c', `exec ${command}`], { cwd: directory })

  test('a terminal listens to a room', async () => {
    const server = await use.server(['--dev'], { command: './ignis', cwd: directory })
    const ann = await use.chat(server, 'ann', { room: encodeURIComponent("ann's room") })
    const listener = shell(await copied(ann, 'See what the room receives'))
    let heard
    const listening = (async () => {
      while (!/"event":"say"/.test(heard)) heard = await listener.line() // it also hears who is typing
    })()
    for (let i = 0; !heard; i++) await says(ann, `hello ${i}`) // it may join later
    await says(ann, 'the last one')
    await listening
    assert.match(heard, /"event":"say","data":\{"text":"(hello \d+|the last one)"/)
    await listener.stop()
    assert.match(await copied(ann, 'restart the server with Redis'), /^\.\/ignis serve --dev --listen 127\.0\.0\.1:\d+ --redis redis:/)
    await ann.locator('#terminal').filter({ hasText: `Run them in ${directory}` }).waitFor()
  })

  test('a terminal sends to a room', async (t) => {
    const { url, stop, missing } = await redis()
    if (missing) return t.skip(missing)
    try {
      const server = await use.server(['--dev', '--redis', url, '--prefix', "it's:"], { command: './ignis', cwd: directory })
      const ann = await use.chat(server, 'ann')
      const emitter = shell(await copied(ann, 'Send to the room'))
      assert.equal(await emitter.ended, 0, emitter.errors())
      await sees(ann, 'Hello from a terminal')
      await ann.locator('.said .who').filter({ hasText: 'a program' }).waitFor()
    } finally {
      await stop()
    }
  })
})
