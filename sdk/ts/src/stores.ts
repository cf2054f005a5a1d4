// What the adapters for frameworks share: values that change, and can be followed.

import type { Client } from './client.js'
import type { Cancel } from './timers.js'
import type { EventName, Message, RoomStateChange, SendArguments, StateChange } from './types.js'

/** The state of a client, and what its latest change said about it. */
export type ClientStatus = Omit<StateChange, 'previous'>

/** The state of a room, and what its latest change said about it. */
export type RoomStatus = Omit<RoomStateChange, 'previous'>

/** Functions for the messages of events, by the name of the event. */
export type Handlers<Events extends object> = {
  readonly [E in EventName<Events>]?: (data: Events[E], message: Message<Events[E]>) => void
}

/** Sends a message to the room and returns the reply. See `Client.send`. */
export type RoomSend<Events extends object> = <E extends EventName<Events>, Reply = unknown>(
  event: E,
  ...rest: SendArguments<Events[E]>
) => Promise<Reply>

/** A value that changes. `get` returns the same object until it does. */
export interface Store<T> {
  get(): T
  /** Calls listener after each change. Returns a function that removes it. */
  follow(listener: () => void): Cancel
}

// By client, so that all components see the same object, also those that are added later.
const statuses = new WeakMap<object, Store<ClientStatus>>()

/** Returns the store of the status of a client. */
export function followClient<Events extends object>(client: Client<Events>): Store<ClientStatus> {
  let store = statuses.get(client)
  if (!store) {
    let status: ClientStatus = { state: client.state }
    client.onState((change) => (status = change))
    store = { get: () => status, follow: (listener) => client.onState(listener) }
    statuses.set(client, store)
  }
  return store
}

const joining: RoomStatus = { state: 'joining' }
const left: RoomStatus = { state: 'left' }

/**
 * Returns the store of the status of a room. The client is in the room while the store is
 * followed, and messages go to the handlers that are current when they arrive. Without
 * a name, there is no room.
 */
export function followRoom<Events extends object>(
  client: Client<Events>,
  name: string | null | undefined,
  handlers: () => Handlers<Events> | undefined,
): Store<RoomStatus> & { send: RoomSend<Events> } {
  const initial = name == null ? left : joining
  let status = initial
  return {
    get: () => status,
    follow(listener) {
      if (name == null) return () => {}
      const room = client.room(name)
      status = { state: room.state }
      room.onMessage((message) => dispatch(handlers(), message))
      room.onState((change) => {
        status = change
        listener()
      })
      return () => {
        status = initial
        room.leave()
      }
    },
    send(event, ...[data, options]) {
      if (name == null) return Promise.reject(new TypeError('There is no room to send to: the name is missing'))
      return client.send(event, ...([data, { ...options, room: name }] as unknown as SendArguments<Events[typeof event]>))
    },
  }
}

/** Calls the handler of a message, if there is one. */
export function dispatch<Events extends object>(handlers: Handlers<Events> | undefined, message: Message): void {
  const { event, data } = message
  // The name may also be that of a method that all objects have.
  if (handlers && Object.hasOwn(handlers, event)) handlers[event as EventName<Events>]?.(data as never, message as never)
}
