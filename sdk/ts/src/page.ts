import type { Connection } from './connection.js'
import type { Cancel } from './timers.js'

/** Follows the life of the page, if there is one, and returns a function that stops it. */
export function watchPage({ happen, nudge }: Connection): Cancel {
  const { document } = globalThis
  const stop = new AbortController()
  const on = (target: EventTarget, type: string, listener: (event: Event) => void) =>
    target?.addEventListener?.(type, listener, stop) // React Native has a window without events
  const resume = () => happen('resume')
  // While a page is frozen, the browser answers pings, but drops the messages.
  on(document, 'freeze', () => happen('suspend'))
  on(document, 'resume', resume)
  on(globalThis, 'pagehide', (event) => (event as PageTransitionEvent).persisted && happen('suspend'))
  on(globalThis, 'pageshow', resume)
  on(globalThis, 'online', () => nudge(true))
  on(document, 'visibilitychange', () => document.hidden || nudge(false))
  return () => stop.abort()
}
