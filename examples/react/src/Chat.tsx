import type { Sender } from '@ignis-go/client'
import { useIgnis, useRoom } from '@ignis-go/client/react'
import { useState, type FormEvent } from 'react'
import { client } from './client.js'

interface Line {
  readonly from: string
  readonly text: string
}

const nameOf = (sender?: Sender) => sender?.userId ?? 'someone'

export function Chat({ room }: { room: string }) {
  const [lines, setLines] = useState<Line[]>([])
  const [typing, setTyping] = useState<string>()
  const [text, setText] = useState('')
  const [error, setError] = useState<string>()

  const { state, reason, send } = useRoom(client, room, {
    say: ({ text }, { from }) => setLines((lines) => [...lines, { from: nameOf(from), text }]),
    typing: ({ on }, { from }) => from?.id !== client.id && setTyping(on ? nameOf(from) : undefined),
  })

  async function submit(event: FormEvent) {
    event.preventDefault()
    try {
      await send('say', { text })
      setText('')
      setError(undefined)
    } catch (error) {
      setError((error as Error).message)
    }
  }

  function edit(text: string) {
    setText(text)
    send('typing', { on: text !== '' }, { volatile: true })
  }

  return (
    <section>
      <h2>
        {room} <small>{reason ? reason.message : state}</small>
      </h2>
      <div role="log" aria-label="Messages">
        {lines.map(({ from, text }, i) => (
          <p key={i}>
            <b>{from}</b> {text}
          </p>
        ))}
      </div>
      <p>{typing && `${typing} is typing`}&nbsp;</p>
      <form onSubmit={submit}>
        <input aria-label="Message" value={text} onChange={({ target }) => edit(target.value)} autoFocus required />
        <button>Send</button>
      </form>
      {error && <p role="alert">{error}</p>}
    </section>
  )
}

export function Status() {
  const { state, reason } = useIgnis(client)
  return <p role="status">{reason ? `${state}: ${reason.message}` : state}</p>
}
