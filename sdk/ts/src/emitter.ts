import type { Cancel } from './timers.js'
import type { Message } from './types.js'

/** Calls functions by name. One that throws is reported and affects no other. */
export interface Emitter {
  /** Adds a function, also if it was added before, and returns a function that removes it. */
  on(name: string, fn: (...args: never[]) => void): Cancel
  /**
   * Calls the functions that were added before the call and have not been removed meanwhile, and
   * returns their number.
   */
  emit(name: string, ...args: unknown[]): number
  /** Removes all functions, including those that are about to be called. */
  clear(): void
}

/** Told what a function threw, and the name with which it was added. */
export type Report = (thrown: unknown, name?: string) => void

/**
 * The methods of clients and rooms that add functions to an emitter. A prefix distinguishes the
 * events of the application from the other names.
 */
export function listening(emitter: Emitter) {
  return {
    on: (event: string, fn: (data: never, message: never) => void): Cancel => emitter.on('on ' + event, fn),
    onMessage: (fn: (message: Message) => void): Cancel => emitter.on('message', fn),
    onState: (fn: (change: never) => void): Cancel => emitter.on('state', fn),
  }
}

export function createEmitter(report: Report): Emitter {
  const all = new Set<{ name: string; fn: (...args: unknown[]) => void }>()
  return {
    on(name, fn) {
      const entry = { name, fn: fn as (...args: unknown[]) => void }
      all.add(entry)
      return () => void all.delete(entry)
    },
    emit(name, ...args) {
      const list = [...all].filter((entry) => entry.name === name)
      for (const entry of list) {
        try {
          if (all.has(entry)) entry.fn(...args)
        } catch (thrown) {
          report(thrown, name)
        }
      }
      return list.length
    },
    clear: () => all.clear(),
  }
}
