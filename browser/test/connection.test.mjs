import assert from 'node:assert/strict'
import { test } from 'node:test'
import { about, banner, note, say, says, sees, state } from '../lib/chat.mjs'
import { suite } from '../lib/suite.mjs'

suite('the connection', (use) => {
  test('a server that restarts', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann', { room: 'lobby,plans' })
    await server.stop('SIGKILL')
    await state(ann, 'waiting')
    await banner(ann, 'Connection lost. The connection was lost without a close frame (close code 1006).')
    await banner(ann, /No server answers at .* Is it still running\? Next attempt (in \d s|now)\./)
    await about(ann, 'waiting to join')
    await say(ann, 'said while there was no server')
    await ann.locator('.said.waiting').filter({ hasText: 'waiting for the connection' }).waitFor()

    const again = await use.server(['--dev'], { address: server.address })
    // It connects by itself; the button is for those who do not want to wait.
    await ann.locator('#banner-action').click({ timeout: 2000 }).catch(() => {})
    await about(ann, 'joined')
    await note(ann, /You are back in lobby. Messages that others sent in the (\d+ seconds|second) in between/)
    await ann.locator('.said.delivered').filter({ hasText: 'said while there was no server' }).waitFor()
    assert.equal(await ann.locator('#banner').isVisible(), false)
    const ben = await use.chat(again, 'ben', { room: 'plans' })
    await says(ben, 'Are you back?')
    await ann.locator('#rooms button').filter({ hasText: 'plans' }).filter({ hasText: '1 new' }).waitFor()
  })

  test('a server that drains', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann')
    const ended = server.stop('SIGTERM')
    await ann.locator('#log .received').filter({ hasText: '"event":"draining"' }).waitFor()
    await state(ann, 'waiting')
    await banner(ann, 'The server is shutting down (close code 1001).')
    assert.equal(await ended, 0)
    await use.server(['--dev'], { address: server.address })
    await about(ann, 'joined')
    await says(ann, 'on the next server')
  })

  test('a network that comes back', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann')
    await ann.ownContext.setOffline(true)
    await server.stop('SIGKILL')
    await state(ann, 'waiting')
    await use.server(['--dev'], { address: server.address })
    await ann.ownContext.setOffline(false)
    await about(ann, 'joined')
    const ben = await use.chat(server, 'ben')
    await says(ben, 'welcome back')
    await sees(ann, 'welcome back')
  })

  test('the countdown is not read out', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann')
    await server.stop()
    await banner(ann, /Next attempt/)
    assert.equal(await ann.locator('#banner-time').getAttribute('aria-hidden'), 'true')
    await ann.locator('#announce').filter({ hasText: 'Connection lost. The server is shutting down' }).waitFor()
    assert.doesNotMatch(await ann.locator('#announce').textContent(), /Next attempt/)
  })
})
