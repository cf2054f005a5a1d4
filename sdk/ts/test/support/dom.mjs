// Gives React, Vue and Svelte a page.

import { Window } from 'happy-dom'

const window = new Window({ url: 'http://localhost/' })
for (const name of ['window', 'document', 'Node', 'Element', 'HTMLElement', 'HTMLIFrameElement', 'HTMLMediaElement', 'HTMLInputElement', 'SVGElement', 'MathMLElement', 'Text', 'Comment', 'Event', 'CustomEvent', 'MutationObserver', 'getComputedStyle']) {
  globalThis[name] = window[name] ?? class {}
}
globalThis.window = globalThis
globalThis.navigator ??= window.navigator

/** Returns an empty element of the page. */
export function container() {
  return document.body.appendChild(document.createElement('div'))
}
