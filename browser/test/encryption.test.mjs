import assert from 'node:assert/strict'
import { test } from 'node:test'
import { about, banner, says, sees, state } from '../lib/chat.mjs'
import { suite } from '../lib/suite.mjs'

suite('encryption', (use) => {
  test('a tab that encrypts and one that does not', async () => {
    const server = await use.server()
    const ann = await use.chat(server, 'ann', { query: '&encrypt' })
    const ben = await use.chat(server, 'ben')
    await about(ann, 'joined, encrypted')
    await says(ann, 'a sealed letter')
    await sees(ben, 'a sealed letter')
    await says(ben, 'a postcard')
    await sees(ann, 'a postcard')
    const frames = (kind, text) => ann.locator(`#log .${kind}`).filter({ hasText: text })
    await frames('sealed', 'a sealed letter').waitFor()
    await frames('opened', 'a postcard').waitFor()
    await frames('received', '"event":"encrypted"').first().waitFor()
    assert.equal(await frames('sent', 'a sealed letter').count(), 0)
    assert.equal(await frames('received', 'a postcard').count(), 0)

    await ann.locator('#frame').fill('{"event":"say","data":{"text":"by hand"},"room":"lobby"}')
    await ann.getByRole('button', { name: 'Send frame' }).click()
    await sees(ben, 'by hand')
  })

  test('a server that requires it says why it refused, and offers the way on', async () => {
    const server = await use.server(['--dev', '--encryption', 'required'])
    const ann = await use.chat(server, 'ann', { until: 'closed' })
    await banner(ann, 'The server requires encryption. It was started with --encryption required')
    await ann.locator('#announce').filter({ hasText: 'The server requires encryption.' }).waitFor()
    await ann.getByRole('button', { name: 'Turn encryption on' }).click()
    await about(ann, 'joined, encrypted')
    assert.equal(await ann.locator('#encrypt').isChecked(), true)
    await says(ann, 'now it works')
    assert.equal(await ann.locator('#text').evaluate((field) => field === document.activeElement), true, 'the message field has the focus')
    await ann.locator('#terminal').filter({ hasText: '--encrypt' }).waitFor()
  })

  test('a server that does not encrypt', async () => {
    const server = await use.server(['--dev', '--encryption', 'off'])
    const ann = await use.chat(server, 'ann', { query: '&encrypt', until: 'closed' })
    await banner(ann, 'The server does not encrypt.')
    await ann.getByRole('button', { name: 'Turn encryption off' }).click()
    await state(ann, 'connected')
    await says(ann, 'without encryption')
  })
})
