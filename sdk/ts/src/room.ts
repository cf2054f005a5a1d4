import { IgnisError } from './errors.js'
import { EventListeners, Listeners } from './listeners.js'
import type { Membership } from './rooms.js'
import type { Cancel } from './timers.js'
import type { EventName, Message, RoomState, RoomStateChange, SendArguments, SendOptions } from './types.js'

/** What a handle needs of the client. */
export interface RoomOwner {
  send(event: string, data: unknown, room: string, options: SendOptions | undefined): Promise<unknown>
  report(thrown: unknown): void
  left(room: Membership): void
}

/**
 * A handle of a room. The client is in the room, also after it reconnected, until the last handle
 * of the room has been left.
 */
export class Room<Events extends object = Record<string, unknown>> {
  readonly name: string
  readonly #membership: Membership
  readonly #owner: RoomOwner
  readonly #listeners: EventListeners<Message>
  readonly #changes: Listeners<[RoomStateChange]>
  readonly #unfollow: Cancel[]
  #left: IgnisError | undefined

  /** @internal */
  constructor(membership: Membership, owner: RoomOwner) {
    this.name = membership.name
    this.#membership = membership
    this.#owner = owner
    this.#listeners = new EventListeners(owner.report)
    this.#changes = new Listeners(owner.report)
    this.#unfollow = [
      membership.changes.add((change) => this.#changes.emit(change)),
      membership.messages.add((message) => this.#listeners.emit(message)),
    ]
  }

  get state(): RoomState {
    return this.#left ? 'left' : this.#membership.state
  }

  /**
   * Resolves when the client is in the room, and rejects if the server refuses it or the client is
   * closed. After the connection was lost, it is a new promise.
   */
  get joined(): Promise<void> {
    if (!this.#left) return this.#membership.joined
    const rejected = Promise.reject(this.#left)
    rejected.catch(() => {})
    return rejected
  }

  /** Calls listener for each message of the event to the room. Returns a function that removes it. */
  on<E extends EventName<Events>>(event: E, listener: (data: Events[E], message: Message<Events[E]>) => void): Cancel {
    return this.#listeners.on(event, listener as (data: unknown, message: Message) => void)
  }

  /** Calls listener for each message to the room. Returns a function that removes it. */
  onMessage(listener: (message: Message) => void): Cancel {
    return this.#listeners.onAny(listener)
  }

  /** Calls listener for each change of the state. Returns a function that removes it. */
  onState(listener: (change: RoomStateChange) => void): Cancel {
    return this.#changes.add(listener)
  }

  /** Sends a message to the room and returns the reply. See `Client.send`. */
  send<E extends EventName<Events>, Reply = unknown>(event: E, ...[data, options]: SendArguments<Events[E]>): Promise<Reply> {
    return this.#owner.send(event, data, this.name, options) as Promise<Reply>
  }

  /** Closes this handle and removes its listeners. The last handle to be left leaves the room. */
  leave(): void {
    if (this.#left) return
    this.#left = new IgnisError('aborted', `The handle of room ${this.name} was left`)
    for (const stop of this.#unfollow) stop()
    this.#listeners.clear()
    this.#changes.clear()
    this.#owner.left(this.#membership)
  }
}
