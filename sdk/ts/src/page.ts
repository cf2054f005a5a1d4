import type { Cancel } from './timers.js'

/** What to do when the life of the page changes. */
export interface PageOwner {
  /** The page is frozen or enters the back/forward cache. */
  suspend(): void
  /** The page is back from there. */
  resume(): void
  /** The network changed, or the page is visible again. */
  nudge(network: boolean): void
}

/** Follows the life of the page, if there is one, and returns a function that stops it. */
export function watchPage({ suspend, resume, nudge }: PageOwner): Cancel {
  const { document } = globalThis
  const stop = new AbortController()
  const on = (target: EventTarget, type: string, listener: (event: Event) => void) =>
    target?.addEventListener?.(type, listener, stop) // React Native has a window without events
  // While a page is frozen, the browser answers pings, but drops the messages.
  on(document, 'freeze', suspend)
  on(document, 'resume', resume)
  on(globalThis, 'pagehide', (event) => (event as PageTransitionEvent).persisted && suspend())
  on(globalThis, 'pageshow', resume)
  on(globalThis, 'online', () => nudge(true))
  on(document, 'visibilitychange', () => document.hidden || nudge(false))
  return () => stop.abort()
}
