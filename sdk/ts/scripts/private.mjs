// The names of properties that only this package uses. A build makes them short, which no other
// minifier can do, so that the bundles of applications are smaller. A name must not be one that an
// application, the protocol, a message between tabs or the platform uses, nor be used as a string.

const names = `after asked call changed congested draining drop emit final flush greeting
  handles happen hint link nudge probe promise provide provided received refresh rejoin report settle
  unlink why`

/** Options for esbuild that shorten these names, in all files in the same way. */
export const shorten = { mangleProps: new RegExp(`^(${names.split(/\s+/).join('|')})$`), mangleCache: {} }
