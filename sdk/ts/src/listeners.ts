import type { Cancel } from './timers.js'

/** Functions to call for an event. One that throws is reported and affects no other. */
export class Listeners<Args extends unknown[]> {
  readonly #all = new Set<{ fn: (...args: Args) => void }>()
  readonly #report: (thrown: unknown) => void

  constructor(report: (thrown: unknown) => void) {
    this.#report = report
  }

  get size(): number {
    return this.#all.size
  }

  /** Adds a function, also if it was added before, and returns a function that removes it. */
  add(fn: (...args: Args) => void): Cancel {
    const entry = { fn }
    this.#all.add(entry)
    return () => void this.#all.delete(entry)
  }

  /** Calls the functions that were added before the call and have not been removed meanwhile. */
  emit(...args: Args): void {
    for (const entry of [...this.#all]) {
      if (!this.#all.has(entry)) continue
      try {
        entry.fn(...args)
      } catch (thrown) {
        this.#report(thrown)
      }
    }
  }

  clear(): void {
    this.#all.clear()
  }
}

/** Listeners by the name of an event, and those for all events. */
export class EventListeners<Message extends { event: string; data: unknown }> {
  readonly #byEvent = new Map<string, Listeners<[unknown, Message]>>()
  readonly #any: Listeners<[Message]>
  readonly #report: (thrown: unknown) => void

  constructor(report: (thrown: unknown) => void) {
    this.#report = report
    this.#any = new Listeners(report)
  }

  on(event: string, fn: (data: unknown, message: Message) => void): Cancel {
    let listeners = this.#byEvent.get(event)
    if (!listeners) this.#byEvent.set(event, (listeners = new Listeners(this.#report)))
    return listeners.add(fn)
  }

  onAny(fn: (message: Message) => void): Cancel {
    return this.#any.add(fn)
  }

  emit(message: Message): void {
    this.#byEvent.get(message.event)?.emit(message.data, message)
    this.#any.emit(message)
  }

  clear(): void {
    for (const listeners of this.#byEvent.values()) listeners.clear() // also those being called now
    this.#any.clear()
  }
}
