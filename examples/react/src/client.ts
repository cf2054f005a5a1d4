import { Client } from '@ignis-go/client'

/** The events of the chat, and their data. */
export interface Events {
  say: { text: string }
  typing: { on: boolean }
}

// One client for the whole application, outside of the components. In development mode the server
// believes any token; in production, pass a function that fetches one from your backend.
const name = new URLSearchParams(location.search).get('name') ?? 'guest-' + Math.floor(Math.random() * 1000)

export const client = new Client<Events>(`ws://${import.meta.env.VITE_SERVER ?? '127.0.0.1:8080'}/ws`, { token: name })
client.connect()
