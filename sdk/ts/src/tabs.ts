// Several tabs of one origin share one connection. Each tab has a client, whose WebSocket leads to
// the hub. The hub is in the tab that holds a lock, has a client with the real connection, and plays
// the server for all tabs, its own included. When that tab ends, the next one gets the lock, and a
// visible tab to which the hub does not answer steals it. For the clients this is a connection that
// was lost, so all that they promise still holds.

import { hold, openChannel } from './channel.js'
import { Client } from './client.js'
import type { IgnisError } from './errors.js'
import { createHub } from './hub.js'
import { tabSocket } from './tabsocket.js'
import type { Options } from './types.js'

/** Options of a client that shares its connection. */
export interface SharedOptions extends Options {
  /** Only tabs with the same group share a connection. Use the ID of the user. */
  group?: string
}

/** A client that shares its connection with other tabs. */
export type SharedClient<Events extends object = Record<string, unknown>> = Client<Events> & {
  /** Closes the clients of all tabs of the group, as at a logout. */
  closeAll(): void
}

/**
 * Returns a client that shares one connection with the other tabs of the origin that use the same
 * URL and group. The options, such as the token provider, are those of the tab that has the
 * connection. Without BroadcastChannel and Web Locks, which browsers have on pages loaded over
 * HTTPS or from localhost, the client has its own connection.
 */
export function sharedClient<Events extends object = Record<string, unknown>>(
  url: string | URL,
  { group = '', ...options }: SharedOptions = {},
): SharedClient<Events> {
  if (!supported()) {
    const client = new Client<Events>(url, options)
    return Object.assign(client, { closeAll: client.close })
  }
  const name = `ignis ${new URL(url, globalThis.location?.href).href} ${group}`
  const { token: _token, credentials: _credentials, encryption: _encryption, ...own } = options
  const client = new Client<Events>(url, {
    ...own,
    // Some browsers stop tabs in the background without telling them.
    WebSocket: tabSocket(name, () => active && lead(active.signal, true)),
    connectTimeout: Infinity, // the hub has its own
    reconnect: options.reconnect !== false && { minDelay: 50, maxDelay: 500 },
  })
  const errors = new Set<(error: IgnisError) => void>()
  let active: AbortController | undefined
  let term: AbortController | undefined // from when this tab wants to lead until it no longer does

  client.onState(({ state }) => {
    if (state === 'closed' || state === 'suspended') {
      active?.abort()
      active = undefined
    } else if (!active) {
      active = new AbortController()
      stand(active.signal)
    }
  })

  /** Takes part: closes with the others, and leads when no other tab does. */
  function stand(signal: AbortSignal): void {
    const channel = openChannel(name, ({ closeAll }) => closeAll && client.close())
    signal.addEventListener('abort', channel.close)
    lead(signal)
  }

  /** Leads from when no other tab does, or now if steal is true, until another tab steals the lead. */
  function lead(signal: AbortSignal, steal = false): void {
    const current = new AbortController()
    const end = () => current.abort()
    term?.abort()
    term = current
    signal.addEventListener('abort', end)
    const begin = () => {
      const connection = new Client(url, options)
      connection.onError((error) => {
        if (!errors.size) console.error(error)
        errors.forEach((listener) => listener(error))
      })
      createHub(name, connection, current.signal)
    }
    const stolen = () => {
      end()
      signal.removeEventListener('abort', end)
      lead(signal)
    }
    hold(name, current.signal, begin, { steal, stolen })
  }

  const { onError } = client
  return Object.assign(client, {
    onError(listener: (error: IgnisError) => void) {
      const cancel = onError(listener)
      errors.add(listener)
      return () => {
        errors.delete(listener)
        cancel()
      }
    },
    closeAll() {
      const channel = openChannel(name, () => {})
      channel.post({ closeAll: true })
      channel.close()
      client.close()
    },
  })
}

function supported(): boolean {
  // Sandboxed pages have no origin, and may not use locks.
  return !!(globalThis.navigator?.locks && globalThis.BroadcastChannel) && globalThis.origin !== 'null'
}
