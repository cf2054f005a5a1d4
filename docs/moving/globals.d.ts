// What the samples in docs/from-*.md use without declaring it, because their readers have it.

import type { DefaultRedisHelper, IBunServer, WebSocketEmitter } from '@venizia/ignis-helpers'

declare global {
  const input: HTMLInputElement
  const token: string
  function show(text: string): void

  // In from-ignis.md.
  const key: string
  const redis: DefaultRedisHelper
  const bun: IBunServer
  const emitter: WebSocketEmitter
  function verify(token: string): { sub: string }
  function teamsOf(userId?: string): string[]
}
