// Stores for Svelte.

import { readable, type Readable } from 'svelte/store'
import type { Client } from './client.js'
import { followClient, followRoom, type ClientStatus, type Handlers, type RoomSend, type RoomStatus, type Store } from './stores.js'

export type { ClientStatus, Handlers, RoomSend, RoomStatus }

/** Returns a store of the state of the client. The store neither connects nor closes it. */
export function ignisStore<Events extends object>(client: Client<Events>): Readable<ClientStatus> {
  return toReadable(followClient(client))
}

/**
 * Returns a store of the state of a room, with the function that sends to it. The client is in the
 * room while the store has a subscriber, such as a component that shows `$lobby.state`. Stores of
 * the same room share it.
 */
export function roomStore<Events extends object>(
  client: Client<Events>,
  name: string,
  handlers?: Handlers<Events>,
): Readable<RoomStatus> & { readonly send: RoomSend<Events> } {
  const store = followRoom(client, name, () => handlers)
  return { ...toReadable(store), send: store.send }
}

function toReadable<T>({ get, follow }: Store<T>): Readable<T> {
  return readable(get(), (set) => {
    const update = () => set(get())
    const cancel = follow(update)
    update()
    return () => {
      cancel()
      update()
    }
  })
}
