// Composables for Vue 3.3 and later.

import { getCurrentInstance, onMounted, onScopeDispose, shallowRef, toValue, watch } from 'vue'
import type { MaybeRefOrGetter, ShallowRef } from 'vue'
import type { Client } from './client.js'
import { followClient, dispatch, followRoom, type ClientStatus, type Handlers, type RoomSend, type RoomStatus } from './stores.js'

export type { ClientStatus, Handlers, RoomSend, RoomStatus }

/** Returns the state of the client. The composable neither connects nor closes it. */
export function useIgnis<Events extends object>(client: Client<Events>): Readonly<ShallowRef<ClientStatus>> {
  const { get, follow } = followClient(client)
  const status = shallowRef(get())
  const update = () => (status.value = get())
  whenMounted(() => {
    update()
    onScopeDispose(follow(update))
  })
  return status
}

/**
 * Joins a room from when the component is mounted until its scope ends, and returns its state and
 * the function that sends to it. Components that join the same room share it. The name may be a ref
 * or a getter; if it is null, there is no room.
 */
export function useRoom<Events extends object>(
  client: Client<Events>,
  name: MaybeRefOrGetter<string | null | undefined>,
  handlers?: Handlers<Events>,
): { readonly status: Readonly<ShallowRef<RoomStatus>>; readonly send: RoomSend<Events> } {
  const open = () => followRoom(client, toValue(name), () => handlers)
  const status = shallowRef(open().get())
  whenMounted(() =>
    watch(
      () => toValue(name),
      (_name, _old, onCleanup) => {
        const { get, follow } = open()
        const update = () => (status.value = get())
        const cancel = follow(update)
        update()
        onCleanup(cancel)
      },
      { immediate: true },
    ),
  )
  return { status, send: (event, ...rest) => open().send(event, ...rest) }
}

/**
 * Handles messages of the client, to any room or none, from when the component is mounted until its
 * scope ends.
 */
export function useEvents<Events extends object>(client: Client<Events>, handlers: Handlers<Events>): void {
  whenMounted(() => onScopeDispose(client.onMessage((message) => dispatch(handlers, message))))
}

/** Calls fn when the component is mounted, so not on a server, or now if there is no component. */
function whenMounted(fn: () => void): void {
  if (getCurrentInstance()) onMounted(fn)
  else fn()
}
