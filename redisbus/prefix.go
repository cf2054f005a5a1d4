package redisbus

import (
	"fmt"
	"strings"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

// maxPrefix is the maximum length of Config.Prefix, in bytes.
const maxPrefix = 64

// noPrefix contains the characters that a prefix must not have: those with a meaning
// in patterns and access rules, and braces, which have one in the keys of a Cluster.
const noPrefix = `*?[]\{}`

// checkPrefix checks that a prefix stands for itself in every pattern and access
// rule, and that no pattern with another prefix matches channels with this one.
func checkPrefix(prefix string) error {
	for _, r := range prefix {
		if r < '!' || r > '~' || strings.ContainsRune(noPrefix, r) {
			return fmt.Errorf("want printable ASCII characters, no spaces and none of %s; shop: is one", noPrefix)
		}
	}
	if len(prefix) > maxPrefix {
		return fmt.Errorf("want at most %d characters, got %d", maxPrefix, len(prefix))
	}
	for _, pattern := range wire.Patterns() {
		if name := strings.TrimSuffix(pattern, "*"); strings.Contains(prefix, name) {
			return fmt.Errorf("with %s in it, others would hear what is published; shop: is one that is allowed", name)
		}
	}
	return nil
}

// Warning returns a warning if a valid Config is probably a mistake, and ""
// otherwise. A Bus or Publisher logs it before it first connects; a program without a
// log can show it.
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
	return fmt.Sprintf("database %d in the address of Redis separates no messages, since pub/sub ignores databases: "+
		"servers and emitters on this Redis hear each other unless they have different prefixes (Config.Prefix, --prefix)", t.Option.SelectDB)
}
