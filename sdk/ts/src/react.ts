// Hooks for React 18 and later.

import { useEffect, useInsertionEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type { Client } from './client.js'
import { followClient, dispatch, followRoom, type ClientStatus, type Handlers, type RoomSend, type RoomStatus } from './stores.js'

export type { ClientStatus, Handlers, RoomSend, RoomStatus }

/** Returns the state of the client. The hook neither connects nor closes it. */
export function useIgnis<Events extends object>(client: Client<Events>): ClientStatus {
  const { follow, get } = followClient(client)
  return useSyncExternalStore(follow, get, get)
}

/**
 * Joins a room while the component is mounted, and returns its state and the function that sends
 * to it. Components that join the same room share it. The handlers may be new in each render. If the
 * name is null, there is no room.
 */
export function useRoom<Events extends object>(
  client: Client<Events>,
  name: string | null | undefined,
  handlers?: Handlers<Events>,
): RoomStatus & { readonly send: RoomSend<Events> } {
  const latest = useLatest(handlers)
  const { follow, get, send } = useMemo(() => followRoom(client, name, latest), [client, name, latest])
  const status = useSyncExternalStore(follow, get, get)
  return useMemo(() => ({ ...status, send }), [status, send])
}

/** Handles messages of the client, to any room or none, while the component is mounted. */
export function useEvents<Events extends object>(client: Client<Events>, handlers: Handlers<Events>): void {
  const latest = useLatest(handlers)
  useEffect(() => client.onMessage((message) => dispatch(latest(), message)), [client, latest])
}

/** Returns a function, always the same, that returns the value of the latest finished render. */
function useLatest<T>(value: T): () => T {
  const ref = useRef(value)
  // Before other effects, which may cause messages.
  useInsertionEffect(() => {
    ref.current = value
  })
  return useMemo(() => () => ref.current, [])
}
