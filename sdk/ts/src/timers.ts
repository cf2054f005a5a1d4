// Timers and the clock. The wall clock can be wrong and can jump, so only the monotonic one counts.

import type { ReconnectOptions } from './types.js'

/** The monotonic clock in milliseconds. It may stand still while the machine sleeps. */
export const now = (): number => performance.now()

/** Cancels something. Calling it again does nothing. */
export type Cancel = () => void

const longest = 2e9 // setTimeout does not accept much more
const late = 1000

/**
 * Calls fn after ms milliseconds, but after 23 days at the latest, which includes NaN. A timer fires
 * late in a throttled page or after the machine slept. Then events may be waiting that would have
 * come before it, so fn is told, and must not conclude anything from silence.
 */
export function after(ms: number, fn: (late: boolean) => void): Cancel {
  const due = now() + ms
  const timer = setTimeout(() => fn(now() - due > late), ms < longest ? ms : longest)
  return () => clearTimeout(timer)
}

/** Calls fn after ms milliseconds, and if that is late, only after waiting events were handled. */
export function deadline(ms: number, fn: () => void): Cancel {
  let cancel = after(ms, (late) => {
    if (late) cancel = after(Math.min(ms, 1000), fn)
    else fn()
  })
  return () => cancel()
}

/**
 * Returns a function that returns the next delay. since is from when it has worked, if it has. All of
 * the interval is used, so that the clients of a server come back spread over time.
 */
export function createDelays({ minDelay = 500, maxDelay = 30_000, stableAfter = 10_000 }: ReconnectOptions): (since?: number) => number {
  let failures = 0 // in a row, so this is the exponent of the delay
  return (since) => {
    if (now() - since! >= stableAfter) failures = 0
    return Math.random() * Math.min(maxDelay, minDelay * 2 ** failures++)
  }
}
