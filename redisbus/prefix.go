package redisbus

import (
	"fmt"
	"strings"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

// maxPrefix is the maximum length of Config.Prefix, in bytes.
const maxPrefix = 64

// noPrefix contains the characters that a prefix must not contain: those with a special
// meaning in patterns and access rules, and braces, which have one in the keys of a Cluster.
const noPrefix = `*?[]\{}`

// checkPrefix checks that patterns and access rules match a prefix literally, and that no
// pattern without it, or with another prefix, matches channels with this one.
func checkPrefix(prefix string) error {
	for _, r := range prefix {
		if r < '!' || r > '~' || strings.ContainsRune(noPrefix, r) {
			return fmt.Errorf("want printable ASCII characters, no spaces and none of %s, such as \"shop:\"", noPrefix)
		}
	}
	if len(prefix) > maxPrefix {
		return fmt.Errorf("want at most %d characters, got %d", maxPrefix, len(prefix))
	}
	for _, pattern := range wire.Patterns() {
		if name := strings.TrimSuffix(pattern, "*"); strings.Contains(prefix, name) {
			return fmt.Errorf("it must not contain %s, or other applications would receive the messages; want a prefix such as \"shop:\"", name)
		}
	}
	return nil
}

// Warning returns a warning if c is valid but probably a mistake, and "" otherwise. A Bus or
// Publisher logs it before it first connects; a program without a log can print it.
func (c Config) Warning() string {
	t, err := redisconn.NewTarget(c.URL, c.Option)
	if err != nil {
		return ""
	}
	return c.warning(&t)
}

func (c *Config) warning(t *redisconn.Target) string {
	if c.Prefix != "" || t.Option.SelectDB == 0 {
		return ""
	}
	return fmt.Sprintf("database %d in the address of Redis does not separate messages, because pub/sub ignores databases: "+
		"servers and emitters on this Redis receive each other's messages unless they have different prefixes (Config.Prefix, --prefix)", t.Option.SelectDB)
}
