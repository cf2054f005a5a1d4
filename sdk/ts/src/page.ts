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
  const stops: Cancel[] = []
  const on = (target: EventTarget | undefined, type: string, listener: (event: Event) => void) => {
    if (!target?.addEventListener) return // React Native has a window without events
    target.addEventListener(type, listener)
    stops.push(() => target.removeEventListener(type, listener))
  }
  // While a page is frozen, the browser answers pings, but drops the messages.
  on(document, 'freeze', suspend)
  on(document, 'resume', resume)
  on(globalThis, 'pagehide', (event) => (event as PageTransitionEvent).persisted && suspend())
  on(globalThis, 'pageshow', resume)
  on(globalThis, 'online', () => nudge(true))
  on(document, 'visibilitychange', () => document.visibilityState === 'visible' && nudge(false))
  return () => stops.forEach((stop) => stop())
}
